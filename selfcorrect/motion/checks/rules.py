"""The table of rules. Thresholds were set on CMU's training subjects so that at most one clip in fifty breaks a rule.

`benchmarks/checking.py` measures how often real clips break each, and how many planted faults are found.
"""

from . import body, floor, pace, smoothness, walking
from .findings import Rule

_TRAIN = "98th percentile of CMU's training clips"

RULES = (
    Rule("F1", "under-floor", "Soles or other parts of the body surface are below the floor.", 0.12, "m",
         "{value:.2f} m below the floor", _TRAIN, floor.depth_m, least_s=0.2),
    Rule("F2", "hovering", "Everything is above the floor, and yet the body does not fall.", 0.15, "m",
         "{value:.2f} m above the floor without falling", _TRAIN, floor.hover_m, least_s=0.3),
    Rule("F3", "sliding", "No point of the soles that bear the weight stands still.", 0.16, "m/s",
         "what bears the weight slides at {value:.2f} m/s", _TRAIN, floor.slide_m_s),
    Rule("F4", "floor-elsewhere", "The floor that the feet show is not at y = 0.", 0.08, "m",
         "the feet stand {value:.2f} m off y = 0", "floors of CMU's recordings", floor.floor_offset_m),
    Rule("F5", "wandering", "The whole body wanders along the floor at random, standing feet included.", 0.008, "m",
         "wanders by {value:.3f} m in a second at random", _TRAIN, smoothness.wandering_m),
    Rule("S1", "jitter", "White noise on the joints.", 0.005, "m", "{value:.3f} m of white noise on the median joint",
         _TRAIN, smoothness.noise_m),
    Rule("S2", "speed", "A joint moves faster than people can.", 14.0, "m/s", "{value:.0f} m/s",
         "sprinters and kickers stay below", smoothness.speed_m_s),
    Rule("S3", "spike", "A joint goes out and back within two frames.", 0.3, "m",
         "{value:.2f} m out and back within two frames", _TRAIN, smoothness.spike_m),
    Rule("S4", "splice", "The whole body jumps from one frame to the next.", 0.06, "m",
         "the body jumps by {value:.2f} m", _TRAIN, smoothness.jump_m),
    Rule("S5", "frozen", "Frames repeat while the body moves before and after.", 2.5, "frames",
         "{value:.0f} frames are the same", "recordings never repeat", smoothness.frozen_frames),
    Rule("S6", "still", "Nothing moves.", -0.01, "m", "nothing moves by more than 1 cm", "nobody stands so still",
         smoothness.stillness_m),
    Rule("B1", "limb-through-limb", "Non-adjacent bones intersect.", 0.08, "m",
         "{value:.2f} m inside each other", _TRAIN, body.interpenetration_m, least_s=0.1),
    Rule("B2", "joint-limit", "Knees bend forwards, or knees or elbows fold too far.", 35.0, "°", "{value:.0f}° beyond",
         _TRAIN, body.overextension_deg, least_s=0.05),
    Rule("B3", "neck-limit", "The head is turned too far against the chest.", 120.0, "°", "turned by {value:.0f}°",
         _TRAIN, body.neck_twist_deg, least_s=0.05),
    Rule("B4", "t-pose",
         "The pose of a rig: the body jumps into it or out of it, never leaves it, or holds it rigidly.",
         -body.T_POSE_DEG, "°", "a T-pose", _TRAIN, body.t_pose_deg),
    Rule("R1", "unit", "Implausible body size (wrong unit?).", 1.8, "×",
         "{value:.1f} × off an adult's size: wrong unit?", "heights from .75 to 2.4 m", body.size_factor),
    Rule("R2", "axis", "The body lies stretched out most of the time, as if another axis were up.", 0.6, "of frames",
         "lies in {value:.0%} of the frames: another axis up?", _TRAIN, body.lying_share),
    Rule("R3", "frame-rate", "Nobody records so.", 7.2, "×", "{value:.1f} × off 35 frames per second",
         "5 to 250 frames per second", pace.rate_factor),
    Rule("P1", "pace",
         "Bodies fall in flight, or swing over their legs in walking, faster or slower than gravity lets them.", 0.15,
         "", "time runs {value:.0%} off gravity's pace", _TRAIN, pace.pace_deviation),
    Rule("P2", "uneven-pace", "Steps of a walk that are even in length are uneven in time.", 0.1, "",
         "steps of one length take times that vary by {value:.0%}", _TRAIN, walking.timing_unevenness),
    Rule("X1", "unsupported", "The floor cannot give the force that bears the body.", 0.7, "body weights",
         "{value:.1f} body weights are missing", _TRAIN, None, least_s=0.4),
    Rule("X2", "residual-needed", "The floor cannot give the forces that move the body, for two seconds.", 1.4,
         "body weights", "moves as if pushed by {value:.1f} body weights", _TRAIN, None),
)  # fmt: skip
"""F: floor, S: smoothness, B: body, R: reading, P: pace, X: physics, which `simulators.feasibility` measures."""
