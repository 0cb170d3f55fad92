"""Planning: which contacts a body has, and with which forces.

- Motions that contact forces can explain: `planner` (`plan_motions`: dynamics filter, placement of feet).
- Forces: `contact_plan` (`plan_contacts`: forces of the ground that explain a motion best).
- Contacts that users edit: `edited_contacts` (`Contacts`), `contact_holding` (holds feet and hands in them),
  `contact_edits` (applies them near what was edited).
"""
