"""The platform's zip installs and corrects in a bare Blender without a network."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BLENDER = os.environ.get("SELFCORRECT_BPY", "")
NO_NETWORK = ("unshare", "--map-root-user", "--net")


@pytest.mark.long
@pytest.mark.skipif(not BLENDER, reason="needs Blender: set SELFCORRECT_BPY to a Python that has the module bpy")
@pytest.mark.skipif(sys.platform != "linux" or shutil.which(NO_NETWORK[0]) is None, reason="needs a network namespace")
def test_installs_and_corrects_offline(tmp_path: Path) -> None:
    if subprocess.run([*NO_NETWORK, "true"], check=False, capture_output=True).returncode:
        pytest.skip("network namespaces cannot be made here")
    ask = [BLENDER, "-c", "import sys; print(sys.version_info >= (3, 13))"]
    is_new = subprocess.run(ask, check=True, capture_output=True, text=True).stdout.strip() == "True"
    words = ["--only", "--out", str(tmp_path), "--release", "5.1.0" if is_new else "4.5.0"]
    subprocess.run([sys.executable, "tools/blender_platform.py", *words], cwd=ROOT, check=True)
    (archive,) = tmp_path.glob("*.zip")
    with zipfile.ZipFile(archive) as packed:
        manifest = tomllib.loads(packed.read("blender_manifest.toml").decode())
        listed = {name.removeprefix("./") for name in manifest["wheels"]}
        assert listed == {name for name in packed.namelist() if name.startswith("wheels/")}
    packages = {Path(name).name.partition("-")[0] for name in listed}
    assert "mujoco_core" in packages
    assert not packages & {"mujoco", "mujoco_studio", "glfw", "pyopengl", "websockets"}, "the viewer is left out"
    assert any(re.search(r"/selfcorrect-\S+-cp311-abi3-", name) for name in listed), "the kernels are compiled"
    assert manifest.get("blender_version_max") == (None if is_new else "5.1.0")
    assert "network" not in manifest["permissions"]
    assert manifest["platforms"] == ["linux-x64"]
    samples = [sys.executable, "-m", "selfcorrect.commands.cli", "data", "samples", "--out", "samples"]
    subprocess.run(samples, cwd=tmp_path, check=True, capture_output=True)
    (tmp_path / "user").mkdir()
    words = [str(ROOT / "tests/blender/inside_platform.py"), str(archive), "samples/bvh.bvh", "result.txt"]
    environment = {**os.environ, "BLENDER_USER_RESOURCES": str(tmp_path / "user"), "PYTHONDONTWRITEBYTECODE": "1"}
    process = subprocess.run(
        [*NO_NETWORK, BLENDER, *words], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600
    )
    assert (tmp_path / "result.txt").is_file(), process.stdout[-3000:] + process.stderr[-3000:]
    version, action, *numpy_files = (tmp_path / "result.txt").read_text().splitlines()
    assert version.startswith("selfcorrect ")
    assert "(the extension: " in version
    assert action == "bvh corrected"
    assert numpy_files[0] == numpy_files[1], "Blender keeps its own NumPy"
