"""The self-consuming loop: policies of data, bias of sampling, fitting, ancestry of samples."""
