"""Human motion: skeletons, kinematics, perception, physical plausibility, pictures."""
