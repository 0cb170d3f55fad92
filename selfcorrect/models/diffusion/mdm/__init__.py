"""The motion diffusion model of Tevet et al. (ICLR 2023) in the layout in which its authors publish it."""
