"""Settings of the simulation, each a frozen dataclass with units in its names.

Tracker: `tracker` (`TrackerSettings` with body, engine, drive, acceptance; `ResidualFreeSettings`).
Strengths: `tracker` (`PRESETS`, `find_preset`: from "faithful" to "physical", "residual-free", "simulated").
Plan: `plan` (`PlanSettings`: contacts, dynamics filter, foot placement, leg feedback; `SupportMode`).
Engines: `engine_table` (`ENGINES`, `resolve_engine`).
"""
