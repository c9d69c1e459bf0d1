# SPDX-License-Identifier: Apache-2.0
"""Outputs of onnxruntime: a default session rounds elsewhere, which is said; without optimisations it is recomputed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

import bitwright
from bitwright import sessions
from bitwright.cli import commands as cli
from bitwright.ir.errors import BitwrightError
from tests.frontend.nets import Array, Net

X = (np.random.default_rng(0).normal(size=(40, 4, 6, 6)) * 10).astype(np.float32)
AGAIN = "`verify --golden ort` recomputes them with its optimisations off."


def model(batch: int | str = "N") -> Net:
    """A convolution whose float bias a default session rounds to integers."""
    rng = np.random.default_rng(1)
    net = Net(4, 6, 6, batch=batch)
    weights = net.dequantize(net.const(rng.integers(-100, 100, (4, 4, 3, 3)), np.int8), 0.003, 0, np.int8)
    y = net.add("Conv", net.qdq(net.x, 0.1, 128), weights, net.const(rng.normal(size=4)))
    net.qdq(net.add("Relu", net.qdq(y, 0.3, 128)), 0.3)
    return net


def saved(folder: Path, outputs: Array) -> tuple[Path, Path]:
    onnx.save(model().proto(), folder / "net.onnx")
    np.savez(folder / "d.npz", inputs=X, outputs=outputs)
    return folder / "net.onnx", folder / "d.npz"


def test_outputs_of_a_default_session(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net = bitwright.load(model().proto())
    fused, plain = sessions.session(net, optimised=True).run([X])[0], sessions.recomputed(net, [X])[0]
    assert 0 < np.count_nonzero(fused != plain) < 100
    report = bitwright.verify(net, X, fused)
    assert report["golden"]["unexplained"] > 0
    assert report["audit"]["note"] == (
        f"The outputs are those of a default onnxruntime session, which fuses nodes and rounds elsewhere: {AGAIN}"
    )
    path, data = saved(tmp_path, fused)
    assert cli.main(["verify", str(path), "--data", str(data)]) == 1
    assert report["audit"]["note"][:90] in capsys.readouterr().out
    assert cli.main(["verify", str(path), "--data", str(data), "--golden", "ort", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["golden"]["unexplained"] == 0 and result["golden_from"] == "onnxruntime, its optimisations off"
    assert cli.main(["verify", str(path), "--data", str(data), "--golden", "ort"]) == 0
    assert "against onnxruntime, its optimisations off" in capsys.readouterr().out


def test_other_outputs_and_no_onnxruntime(monkeypatch: pytest.MonkeyPatch) -> None:
    net = bitwright.load(model().proto())
    wrong = sessions.recomputed(net, [X])[0] + 3
    note = bitwright.verify(net, X, wrong)["audit"]["note"]
    assert note == "The outputs are not what onnxruntime computes of the model, with its optimisations or without."
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    note = bitwright.verify(net, X, wrong)["audit"]["note"]
    assert note == (
        f"A default onnxruntime session fuses nodes and rounds elsewhere; if the outputs are of one, {AGAIN}"
    )
    with pytest.raises(BitwrightError) as error:
        sessions.recomputed(net, [X])
    assert str(error.value) == "--golden ort: needs onnxruntime\n  hint: pip install onnxruntime"


def test_our_own_fault_is_said_to_be_ours() -> None:
    net = bitwright.load(model().proto())
    plain = sessions.recomputed(net, [X])
    assert sessions.remark(net, {"x": X}, [plain[0] + 3], plain) == (
        "The outputs are what onnxruntime computes with its optimisations off: please report it with model and data."
    )


def test_a_batch_in_the_file_and_a_cut() -> None:
    whole, five = (sessions.recomputed(bitwright.load(model(batch).proto()), [X])[0] for batch in ("N", 5))
    np.testing.assert_array_equal(whole, five)
    cut = bitwright.load(model().proto(), outputs=["quantizelinear4"])
    outputs = sessions.recomputed(cut, [X])[0]
    assert outputs.dtype == np.uint8
    assert bitwright.verify(cut, X, outputs)["golden"]["unexplained"] == 0


def test_what_onnxruntime_cannot_run(tmp_path: Path) -> None:
    net = Net(4)
    net.quant(net.quant(net.x, 0.25), 0.5)
    graph = bitwright.load(net.proto())
    with pytest.raises(BitwrightError) as error:
        sessions.recomputed(graph, [X[:, :, 0, 0]])
    assert error.value.what.startswith("onnxruntime cannot run the model: [ONNXRuntimeError]")
    assert error.value.hint == "give outputs in the data file, of the tool that runs this model"
    from bitwright.ir import files

    files.save(graph, tmp_path / "net.bw")
    with pytest.raises(BitwrightError) as error:
        sessions.recomputed(bitwright.load(tmp_path / "net.bw"), [X])
    assert str(error.value) == "--golden ort: there is no source model to run\n  hint: give the ONNX file itself"
