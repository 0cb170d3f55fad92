"""All numbers by which an observation decides what stands and where the floor is.

Speeds and heights are scales of distributions, not bounds: the stance model learns its own from each motion, and is
drawn to these where a motion shows little. Scales of stances were chosen on CMU's training clips, all other scales by
hand.
"""

import numpy as np

REPEATS_S = 1 / 30
"""Frames that follow faster than this repeat each other, and weigh less."""
SWITCH_S = 0.8
"""Usual time between two changes from and to a stance."""
NOISE_M_S = 0.08
"""Largest noise of velocities."""
WINDOWS_S = (0.07, 0.34)
"""Shortest and longest time over which velocities are taken."""

STANDS_M_S = 0.12
"""Usual horizontal speed of points that stand."""
NOISY_STANDS_M_S = 0.25
"""The same speed of noisy bodies once noise was removed: the slow part of it stays, alike in many joints."""
SLIDES_M_S = 0.8
"""Largest horizontal speed at which feet slide."""
SWINGS_M_S = 1.0
"""Usual horizontal speed in a swing."""
RISES_M_S = 0.15
"""Usual vertical speed of points that stand."""
SINKS_M_S = 0.4
"""Largest vertical speed of feet that stand."""
LIFTS_M_S = 0.6
"""Usual vertical speed in a swing."""
ROLLS_FASTER = 2.0
"""Feet that roll over heel and toe bear load at speeds larger by this factor."""
ROLLS_SHARE = 0.2
"""They do so at this share of a swing's speed."""
HEIGHT_M = 0.015
"""Usual deviation from the ground of points that stand."""
HIGH_M = 0.08
"""Usual height above the ground of points that swing."""
PRIOR_S = 0.5
"""Weight of these scales against the scales that a motion shows, as a time in which they were observed."""
TRIMMED = {1: 0.62, 2: 0.74}
"""Mean square of normal (1) and Rayleigh (2) distributions without their largest tenth, as a share of the full mean
square."""

SURE = 0.9
"""Probability from which on a stance is sure enough to set targets of a plan."""
LIKELY = 0.5
"""Probability from which on a foot is said to stand, or to bear load."""

MISLABELLED = 0.0025
"""Probability that a label of a file is wrong."""

MANY_VOTES = 0.2
"""The floor is the lowest height at which votes are this dense, as a share of where they are densest."""
SAME_LEVEL_M = 0.05
"""Height above the floor beyond which a surface is another level."""
VOTE_WIDTH_M = 0.012
"""Standard deviation of the height that a stance shows."""
CARRIES_S = 0.15
"""A foot that carries the body for this long may stand on any level."""
ALONE_WEIGHS = 3.0
"""The votes of feet that carry it alone weigh more by this factor."""
FULL_VOTE_S = 0.3
"""A stance of this duration has a full vote."""
LEVEL_WEIGHT = 0.6
"""Least weight of the votes for a level of the ground beside the floor."""
FAR_M = 0.31
"""A floor further from y = 0 needs strong evidence, or a body that floats or climbs would be put on it."""
OFTEN_SHOWN = 0.25
"""Share of frames in which a foot must stand on such a floor."""
SHOWN_M = 0.03
"""Largest distance from such a floor of a foot that shows it."""
ALIKE_M = 0.01
"""Largest half difference of the depths of both soles of a rig."""
OFF_M = 0.02
"""Feet that stand contradict the ground if they are further from it than this, beyond their noise."""

HEEL_BEHIND_ANKLE_M = 0.045
"""Distance from ankle to heel along the sole."""
FEWEST_ON_SLOPE = 5
"""Least number of stances of each point that show a slope."""
RISES_M = (0.04, 0.5)
"""Least and largest way by which ground rises or sinks steadily in time beneath a motion. Captures are off by less, and
people climb more."""
STEEPEST = 0.36
"""Largest slope of ground that is not stairs."""
OFF_PLANE_M = 0.03
"""Largest deviation of stances from a plane; beyond are stairs."""
GLIDES_M_S = 0.4
"""Least speed of ground that glides beneath a body."""
GLIDES_LOW_M = 0.02
"""Usual height of points that show it above their lowest place."""
AROUND_S = 0.6
"""Time before and after a frame over which a point's lower envelope is taken."""

TOE_DEPTHS_M = (0.0, 0.05)
"""Least and largest depth of soles below toe joints."""
STEEPEST_FOOT = 0.6
"""Largest slope from toe joint to ankle in rest poses whose feet are flat."""
FLAT_S = 0.15
"""Least duration of flat stances that show how far ankles rise."""
ANKLE_RISE_M = 0.062
"""Usual height of ankles above toe joints in flat feet whose toe joints have soles of the usual depth."""
DEEPER_SHARE = 0.55
"""Share by which soles are deeper where ankles rise less: rigs place toe joints higher or lower in the same foot."""

STAND_S = 2.0
"""Shortest time in which neither foot steps, so that a glide of a body that stands shows."""
STAND_GAP_S = 0.1
"""Longest interruption that does not end it."""
STEPS_M_S = 0.04
"""Feet that step move against each other, or up or down, by more than this."""
SLOWEST_GLIDE_M_S = 0.012
"""Slowest mean speed of such a glide. CMU clips show none."""
RIDES_M_S = 0.3
"""A faster stand is a ride."""
SHORTEST_GLIDE_M = 0.04
"""Shortest distance of a glide."""
STRAIGHT_GLIDE = 0.6
"""Share of the feet's way that a glide covers between its ends; swaying bodies come back."""
ROOT_SHARES = (0.5, 2.0)
"""Bounds of the root's distance as a multiple of the distance of the feet."""
STAND_SMOOTHED_S = 0.15
"""Standard deviation of the Gaussian that smooths the velocities of a stand."""
STAND_FADES_S = 0.3
"""Time in which a glide begins and ends."""

SOLE_NEAR_M = 0.035
"""A standing sole is lower than this above its ground."""
HELD_M = 0.015
"""A tilted sole is lower than this if it stands while the other foot stands lower by as much: a body that balances
holds the other foot near the floor."""
HELD_TILTS_RAD = (float(np.radians(8.0)), float(np.radians(14.0)))
"""Angles between which such a sole becomes tilted."""
SLOW_SWING_M_S = 0.36
"""Swinging feet are slow up to this speed."""
FASTER_SWING_M_S = 1.8
"""Swinging feet are fast at this much more than the slow speed."""
REST_LEVEL_M = 0.03
"""Largest change of height of a part of the body that rests."""
REST_GAP_S = 0.07
"""Longest movement within a rest that does not end it."""
FOOT_REST_M_S = 0.5
"""Largest speed of a foot that rests on a support."""
FOOT_REST_S = 0.3
"""Shortest time for which a foot rests."""
PART_REST_M_S = 0.3
"""Largest speed of any other part that rests on a support."""
PART_REST_S = 0.7
"""Shortest time for which any other part rests."""

LIFT_S = 1.0
"""Least duration of a ride on a lift."""
LIFT_M = 1.0
"""Least height of a ride: who pulls up on a bar raises both feet by less."""
LIFT_M_S = 0.1
"""Least mean speed of a ride."""
STILL_LIFT_M_S = 0.01
"""Ground that is slower does not move."""
TOGETHER_M_S = 0.15
"""Largest speed of a foot along a lift, and largest difference of the speeds of feet upwards."""
LIFT_M_S2 = 3.0
"""Largest usual acceleration of a lift; a flight has gravity's acceleration."""
LIFT_SMOOTHED_S = 0.1
"""Time over which the speeds of feet on a lift are averaged."""

CARRIES_M = (0.003, 0.015)
"""Height up to which a point may carry fully, and height above which a point carries nothing."""
CARRIES_M_S = (0.1, 0.4)
"""Speed along the floor up to which a point of a plan may carry fully, and speed above which it carries nothing."""
CAPTURED_CARRIES_M_S = (0.6, 1.8)
"""The same speeds of captured parts on a support, which slip more than planned parts."""
RUNS_M_S = 1.5
"""Speed of a body above which feet, which land and leave within a frame or two, seem to slide in proportion."""

TOUCHES_WITHIN_M = 0.008
"""Corners of a sole within about this height of the lowest corner count as touching with it."""
HELD_WITHIN_M = 0.02
"""Corners of a sole within about this height of the lowest corner may be held."""
HELD_M_S = 0.05
"""Corners are held if they are the slowest of these, by about this speed."""
IN_PLACE_M_S = 0.06
"""Frames of a stance that are slower than about this weigh alike in the foot's place."""
LIFTING_M_S = 0.1
"""Frames of a stance in which a foot rises or sinks faster than about this weigh less in its height."""
AIRBORNE_S = (0.2, 0.4)
"""A foot that has been in the air for longer than the first returns to its own height, and fully after the second:
it may rest in the air beside the other, on which the body stands."""
FLAT_SOLE_M = 0.015
"""A foot whose sole is steeper by this than in its flattest frame counts for 1/e in the place of a contact."""
STILL_SOLE_M_S = 0.2
"""So does a foot that slides faster by this than in its slowest frame."""
FLAT_SOLE_RAD = float(np.radians(15.0))
"""Feet tilted by less are flat enough to show the thickness of their soles."""
NEAR_BOX_M = 0.08
"""Feet that are no further from the top of a box may stand on it."""
BOX_GAP_S = 0.07
"""Longest gap that does not end a stance on a box."""

IN_AIR_M = 0.03
"""A sole whose lowest point is higher than this above the ground does not touch it: heels and toes roll below it."""
FLOATS_M = 0.02
"""A body whose lowest point is higher than this is in the air."""
OTHERS_LOW_M = 0.03
"""Height below which the surface of joints other than feet may rest on the floor."""
LOW_SOLE_M = 0.05
"""Soles below this height may stand on the floor."""
UNMOVING_M_S = 0.15
"""A foot that rests moves more slowly than this, in any direction."""
AS_LOW_M = 0.01
"""A foot that seems to carry the body is no higher than this above the body's lowest point."""
LIFTED_M_S = 0.28
"""Both feet of a lifted body rise or sink faster than this."""

OTHER_GROUND_M = 0.06
"""Ground that is lower by more than this may be another level."""
OFTEN_STANDS_M = 0.3
"""Ground on which a motion always stands may be this much further from y = 0 than other ground, to be put there."""
FAR_ABOVE_M = 0.12
"""A body on supports that are further above y = 0 than this stays there, as the floor may be a step below them."""
FAR_BELOW_M = 0.2
"""A body on supports that are further below y = 0 than this stays there."""
LEFT_FLOOR_M = 0.03
"""A body whose lowest point is higher has left the floor."""
BACK_ON_FLOOR_M = 0.005
"""It is back on the floor when its lowest point is lower."""
LEVEL_SUPPORT_M = 0.03
"""A body on a support stays within this height."""
LEVEL_SUPPORT_S = 0.3
"""It does so for as long as this."""
