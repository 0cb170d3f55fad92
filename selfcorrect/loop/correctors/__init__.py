"""Correctors: functions that change or reject synthetic samples before these are used again.

Contract: `contract` (`Corrector`, `Corrected`, `call_corrector`; `lift`, `verifier`, `chain`, controls `filter_of` and
`random_perturbation`). Application: `loop_correction` (`Correction`, `apply_corrector`: strength γ, redraws, failures).
Correctors on samples: `anchors` (`AnchoredCorrector`, `fit_anchors`). Users' code: `sandbox` (a separate process with a
time limit).
"""
