"""What a motion shows: ground, stances, features, repeated frames.

Feet: `observation` finds stances and ground levels from `foot_paths` with a hidden Markov model (`stance_model`,
`stances`), and `foot_frames` estimates where soles are relative to the joints. Ground: `ground_plane` and
`observed_ground` estimate it, and `floor_frame` converts a motion to the frame of its floor. `repeats` finds frames
that are not samples of the recording. `motion_features` computes what the rules of `check` read.
"""
