"""Generative models, all with the contract of `protocol.GenerativeModel`.

`gaussian` has a closed form. `network` is the base class of models made of a single network, `training` what they
share. `torch_model` takes any module of PyTorch. `diffusion` has the models of motion. `resampling` puts real data in
place of a model. `saving` writes states to files.
"""
