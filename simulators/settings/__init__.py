"""Settings of the simulation, as frozen dataclasses with units in their names.

- Tracker: `tracker` (`TrackerSettings` with body, engine, drive and acceptance; `ResidualFreeSettings`).
- Strengths: `tracker` (`STRENGTHS`, from "faithful" to "physical"; `parse_strength`).
- Plan: `plan` (`PlanSettings`: contacts, dynamics filter, foot placement, leg feedback; `SupportMode`).
- Engines: `engine_table` (`ENGINES`, `resolve_engine`).
"""
