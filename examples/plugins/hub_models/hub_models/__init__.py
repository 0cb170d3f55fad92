"""Models of diffusers and transformers as generative models of loops. Nothing is downloaded."""

from .diffusers_model import DiffusersModel as DiffusersModel
from .language_model import CausalLanguageModel as CausalLanguageModel
from .tokenizer import byte_level_tokenizer as byte_level_tokenizer
