"""What a motion shows: ground, stances, features, repeats.

Rules read the features. Feet: `observation` finds stances and levels from `foot_paths` with a hidden Markov model
(`stance_model`, `stances`); `foot_frames` says how soles sit on the joints. Ground: `ground_plane`, `observed_ground`,
and `floor_view`, which shows a motion in the frame of its floor. `repeats` finds frames that are not samples of the
recording. `motion_features` computes what rules read.
"""
