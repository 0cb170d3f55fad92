"""The field's judge of text-to-motion models: the text and motion encoders of Guo et al. 2022, and its protocol."""
