"""Small generative models of the toy loops."""
