#!/usr/bin/env bash
# An RDKit force field sees atoms that were moved, and gives neither their old nor their right energy.
#
# Guess: CalcEnergy() reads the conformer, so a force field made before atoms move gives the energy of a new one.
# Seen:  2.64 kcal/mol before, 53.38 after an atom moved by 0.5 A, and 73.16 from a force field made afterwards:
#        which pairs of atoms interact was chosen when it was made.
# Tried with rdkit 2026.9.1, NumPy 2.3.5.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check rdkit==2026.9.1 numpy==2.3.5
environment/bin/python - <<'PYTHON'
from rdkit import Chem
from rdkit.Chem import AllChem

molecule = Chem.AddHs(Chem.MolFromSmiles("CCO"))
AllChem.EmbedMolecule(molecule, randomSeed=1)
properties = AllChem.MMFFGetMoleculeProperties(molecule)
force_field = AllChem.MMFFGetMoleculeForceField(molecule, properties)
before = force_field.CalcEnergy()
conformer = molecule.GetConformer()
positions = conformer.GetPositions()
positions[0] += [0.5, 0.0, 0.0]
conformer.SetPositions(positions)
same = force_field.CalcEnergy()
new = AllChem.MMFFGetMoleculeForceField(molecule, properties).CalcEnergy()
print(f"before {before:.2f}, same force field {same:.2f}, new force field {new:.2f} kcal/mol")
assert abs(same - 53.38) < 0.05
assert abs(new - 73.16) < 0.05
PYTHON
