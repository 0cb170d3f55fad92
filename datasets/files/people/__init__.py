"""Files of body parameters and joints: AMASS, HumanML3D, MDM."""
