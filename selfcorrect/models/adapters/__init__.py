"""Models of other libraries, and modules of your own, with the contract of `protocol.GenerativeModel`."""
