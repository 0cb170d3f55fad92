"""Generative models, all with the interface of `protocol.GenerativeModel`.

`gaussian` has a closed form. `network` is the base class of models made of one network, and `training` has what they
share. `torch_model` wraps any PyTorch module. `diffusion` has the motion model. `resampling` draws given samples in
place of a model. `saving` writes states to files.
"""
