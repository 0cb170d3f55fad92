"""The field's evaluator of text-to-motion models: the text and motion encoders of Guo et al. 2022, and its protocol."""
