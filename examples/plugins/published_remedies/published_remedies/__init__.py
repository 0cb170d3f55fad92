"""Published remedies against the loss of modes, for `selfcorrect motion --remedy` and `sc.with_remedy`.

* sims: Alemohammad et al. 2024 (SIMS, arXiv 2408.16333). Claim: a loop of a hundred generations without collapse. Costs
  3 × samples, 2 × training.
* rescaled-score: temporal score rescaling (arXiv 2510.01184). Claim: diversity within modes without losing modes.
* annealed-truncation: arXiv 2606.13796. Claim: truncation that goes to 0 does not compound.
* farthest-points: arXiv 2509.16499. Claim: selection for entropy keeps diversity. Costs 4 × samples.
* self-verified: criticised by Qiao et al. 2026 (arXiv 2606.13732). Claim: confidence filters out errors. The critics:
  it destroys spread. Costs 4 × samples.
* likelihood-rank: own-likelihood rank. Claim: unlikely samples keep the tails. Costs 4 × samples.
* latent-filter: Cai et al. 2025 (LSF, arXiv 2511.12742). Claim: filtering in latent space stabilises mixed data. Costs
  4 × samples.
* truncated-loss: truncated cross-entropy (arXiv 2509.08972). Claim: ignoring confident data delays collapse twofold.
* ecosystem: arXiv 2512.15011. Claim: diversity among models slows collapse.
* averaged-weights: weight averaging. Claim: averaging holds the drift of a model back.
* oversampling: folklore. Claim: more samples mean less drift. Costs 4 × samples.
* moment-matching: this project. Claim: variance does not shrink.
* inside-sampler, inside-sampler-once: PhysDiff (Yuan et al. 2023, arXiv 2212.02500). Claim: a simulator between
  denoising steps makes motion plausible without leaving the data. The first corrects four steps, as
  `--physics-in sampler` does, the second one step, with as many corrections as finished samples take.
* lineages-quarter: this project, `lineages` with a quarter of the step of extrapolation, whose scatter is a sixteenth.
"""
