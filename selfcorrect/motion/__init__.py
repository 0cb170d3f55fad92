"""Human motion: skeletons, kinematics, features, contacts, physical plausibility, drawing."""
