"""Readers and writers of body-model parameters and joint positions, such as AMASS, HumanML3D and MDM."""
