"""MDM (Tevet et al., ICLR 2023) and the evaluator of Guo et al. 2022, for `selfcorrect motion --generator mdm`."""
