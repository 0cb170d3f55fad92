"""Settings of the simulation.

Each is a frozen dataclass with units in its names. Tracker: `tracker` (`TrackerSettings` with body, engine, drive,
acceptance; `ResidualFreeSettings`). Strengths: `tracker` (`STRENGTHS`, from "faithful" to "physical";
`parse_strength`). Plan: `plan` (`PlanSettings`: contacts, dynamics filter, foot placement, leg feedback;
`SupportMode`). Engines: `engine_table` (`ENGINES`, `resolve_engine`).
"""
