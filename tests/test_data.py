# SPDX-License-Identifier: Apache-2.0
"""Data files: what is taken, and the message for each thing that is not."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from bitwright import data
from bitwright.data import Tensor, read_calibration, read_data, read_labelled, read_training
from bitwright.ir.errors import BitwrightError

IMAGE = Tensor("image", np.dtype("float32"), (1, 4, 4))
OPEN = Tensor("signal", np.dtype("int8"), (None,))


def saved(path: Path, **arrays: object) -> Path:
    np.savez(path, allow_pickle=True, **{name: np.asarray(array) for name, array in arrays.items()})
    return path


def images(count: int) -> np.ndarray:
    return np.arange(count * 16, dtype=np.float32).reshape(count, 1, 4, 4)


def test_inputs_and_outputs_in_order_and_the_rest_ignored(tmp_path: Path) -> None:
    signal = np.arange(10, dtype=np.int8).reshape(5, 2)
    outputs = np.arange(5)
    path = saved(tmp_path / "d.npz", inputs_1=signal, inputs=images(5), outputs=outputs, other=np.zeros(3))
    read = read_data(path, [IMAGE, OPEN], samples=3)
    np.testing.assert_array_equal(read.inputs[0], images(5)[:3])
    np.testing.assert_array_equal(read.inputs[1], signal[:3])
    assert [array.tolist() for array in read.outputs] == [[0, 1, 2]]


def test_a_labelled_set_gives_inputs_without_outputs(tmp_path: Path) -> None:
    path = saved(tmp_path / "d.npz", x=images(3), y=[1, 2, 3], outputs=np.zeros(9))
    read = read_data(path, [IMAGE])
    assert len(read.inputs[0]) == 3 and read.outputs == ()
    x, y = read_labelled(path, [IMAGE], samples=2)
    assert x.shape == (2, 1, 4, 4) and y.tolist() == [1, 2]


def test_calibration_data_of_its_own_comes_first(tmp_path: Path) -> None:
    path = saved(tmp_path / "d.npz", x=images(3), y=[1, 2, 3], calibration=images(7)[4:])
    np.testing.assert_array_equal(read_calibration(path, [IMAGE])[0], images(7)[4:])
    path = saved(tmp_path / "e.npz", inputs=images(3))
    np.testing.assert_array_equal(read_calibration(path, [IMAGE], samples=1)[0], images(1))


def test_what_is_trained_on_is_there_or_not_and_with_labels_or_not(tmp_path: Path) -> None:
    path = saved(tmp_path / "d.npz", x=images(3), y=[1, 2, 3])
    assert read_training(path, [IMAGE]) is None
    read = read_training(saved(tmp_path / "e.npz", train=images(3)), [IMAGE])
    assert read is not None and read.labels is None and len(read.inputs[0]) == 3
    read = read_training(saved(tmp_path / "f.npz", train=images(3), y_train=[4, 5, 6]), [IMAGE])
    assert read is not None and read.labels is not None and read.labels.tolist() == [4, 5, 6]
    path = saved(tmp_path / "g.npz", train=images(3), y_train=[[4.0, 5.0]])
    with pytest.raises(BitwrightError) as error:
        read_training(path, [IMAGE])
    assert str(error.value) == (
        f"{path}: 'y_train' is float64 of shape (1, 2)\n  hint: labels are integers, one per sample of 'train'"
    )


@pytest.mark.parametrize(
    ("arrays", "what", "hint"),
    [
        (
            {"image": images(2)},
            "has no array 'inputs'; it holds 'image'",
            "save it with np.savez(path, inputs=x), x of shape (samples, ...)",
        ),
        (
            {"inputs": images(2), "inputs_1": images(2)},
            "holds 2 input arrays, the model takes 1: 'image'",
            "name them inputs, inputs_1, ... in the model's order",
        ),
        (
            {"inputs": images(2).reshape(2, 4, 4, 1)},
            "'inputs' has shape (2, 4, 4, 1), the model's input 'image' takes (samples, 1, 4, 4)",
            "samples stack on axis 0, whatever batch the model declares",
        ),
        (
            {"inputs": images(2)[0]},
            "'inputs' has shape (1, 4, 4), the model's input 'image' takes (samples, 1, 4, 4)",
            "samples stack on axis 0, whatever batch the model declares",
        ),
        (
            {"inputs": images(2)[:0]},
            "'inputs' has shape (0, 1, 4, 4), the model's input 'image' takes (samples, 1, 4, 4)",
            "samples stack on axis 0, whatever batch the model declares",
        ),
        (
            {"inputs": images(2).astype(np.float64)},
            "'inputs' is float64, the model's input 'image' takes float32",
            "convert it yourself, so that you decide how it rounds: x.astype('float32')",
        ),
        (
            {"inputs": np.array([None, 1], dtype=object)},
            "'inputs' has shape (2), the model's input 'image' takes (samples, 1, 4, 4)",
            "samples stack on axis 0, whatever batch the model declares",
        ),
        (
            {"inputs": images(2), "outputs": np.array([None, 1], dtype=object)},
            "'outputs' holds Python objects",
            "save plain numbers, objects are never read",
        ),
        (
            {"inputs": images(2), "outputs": np.zeros((3, 10))},
            "'outputs' has shape (3, 10), but 'inputs' holds 2 samples",
            "stack one sample per row on axis 0 of every array",
        ),
        (
            {"inputs": images(2), "outputs": np.float32(1)},
            "'outputs' has shape (), but 'inputs' holds 2 samples",
            "stack one sample per row on axis 0 of every array",
        ),
    ],
)
def test_what_does_not_fit_is_said(tmp_path: Path, arrays: dict[str, object], what: str, hint: str) -> None:
    path = saved(tmp_path / "d.npz", **arrays)
    with pytest.raises(BitwrightError) as error:
        read_data(path, [IMAGE])
    assert str(error.value) == f"{path}: {what}\n  hint: {hint}"


def test_more_samples_than_there_are(tmp_path: Path) -> None:
    path = saved(tmp_path / "d.npz", inputs=images(2))
    with pytest.raises(BitwrightError) as error:
        read_data(path, [IMAGE], samples=3)
    assert str(error.value) == f"{path}: holds 2 samples, 3 were asked for\n  hint: use --samples 2 or less"


def test_a_set_without_labels_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "d.npz", inputs=images(2))
    with pytest.raises(BitwrightError) as error:
        read_labelled(path, [IMAGE])
    assert str(error.value) == (
        f"{path}: is no labelled set; it holds 'inputs'\n  hint: save it with np.savez(path, x=images, y=labels)"
    )


def test_labels_are_integers(tmp_path: Path) -> None:
    path = saved(tmp_path / "d.npz", x=images(2), y=np.array([0.0, 1.0]))
    with pytest.raises(BitwrightError) as error:
        read_labelled(path, [IMAGE])
    assert str(error.value) == (f"{path}: 'y' is float64 of shape (2)\n  hint: labels are integers, one per sample")


def test_a_file_that_is_absent(tmp_path: Path) -> None:
    with pytest.raises(BitwrightError) as error:
        read_data(tmp_path / "none.npz", [IMAGE])
    assert str(error.value) == (
        f"{tmp_path}/none.npz: no such file\n  hint: save it with np.savez(path, inputs=x), x of shape (samples, ...)"
    )


def test_a_file_of_another_kind(tmp_path: Path) -> None:
    path = tmp_path / "d.npz"
    path.write_bytes(b"inputs")
    with pytest.raises(BitwrightError) as error:
        read_data(path, [IMAGE])
    assert str(error.value) == (
        f"{path}: not a readable .npz file (File is not a zip file)\n"
        "  hint: save it with np.savez(path, inputs=x), x of shape (samples, ...)"
    )


def test_bytes_that_were_damaged(tmp_path: Path) -> None:
    path = saved(tmp_path / "d.npz", inputs=images(5))
    damaged = bytearray(path.read_bytes())
    damaged[400] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(BitwrightError) as error:
        read_data(path, [IMAGE])
    assert error.value.what == "not a readable .npz file (Bad CRC-32 for file 'inputs.npy')"


@pytest.mark.parametrize(
    ("shape", "compression", "what"),
    [
        ((1 << 34, 1, 4, 4), zipfile.ZIP_STORED, "inputs.npy declares 1099511627776 bytes and holds 64"),
        ((-2, -8), zipfile.ZIP_STORED, "inputs.npy declares the shape (-2, -8)"),
        ((1, 1, 4, 4), zipfile.ZIP_LZMA, "inputs.npy is compressed in a way that NumPy does not write"),
    ],
)
def test_a_file_that_numpy_did_not_write(tmp_path: Path, shape: tuple[int, ...], compression: int, what: str) -> None:
    """A header that promises a terabyte over a few bytes is refused by its arithmetic, not by an allocation."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": shape})
    path = tmp_path / "d.npz"
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("inputs.npy", header.getvalue() + bytes(64))
    with pytest.raises(BitwrightError) as error:
        read_data(path, [IMAGE])
    assert error.value.what == f"not a readable .npz file ({what})"


def test_large_arrays_stay_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an archive that is not compressed, in either order, beside ones that are read."""
    monkeypatch.setattr(data, "LARGE", 1000)
    x = np.arange(5 * 4 * 6 * 3, dtype=np.float32).reshape(5, 4, 6, 3)
    kind = Tensor("x", np.dtype(np.float32), (4, 6, 3))
    for given in (x, np.asfortranarray(x)):
        np.savez(tmp_path / "d.npz", inputs=given, outputs=np.arange(5), y=np.arange(5))
        found = read_data(tmp_path / "d.npz", [kind], samples=4)
        assert isinstance(found.inputs[0], np.memmap) and not isinstance(found.outputs[0], np.memmap)
        np.testing.assert_array_equal(found.inputs[0], x[:4])
        np.testing.assert_array_equal(found.outputs[0], range(4))
        assert found.labels is not None and found.labels.tolist() == [0, 1, 2, 3]
    np.savez_compressed(tmp_path / "d.npz", inputs=x, y=np.zeros(5))
    found = read_data(tmp_path / "d.npz", [kind])
    assert not isinstance(found.inputs[0], np.memmap) and found.labels is None
    np.testing.assert_array_equal(found.inputs[0], x)


def test_a_npy_is_the_inputs(tmp_path: Path) -> None:
    x, kind = np.arange(12.0).reshape(3, 4), Tensor("x", np.dtype(np.float64), (4,))
    np.save(tmp_path / "x.npy", x)
    found = read_data(tmp_path / "x.npy", [kind], samples=2)
    assert isinstance(found.inputs[0], np.memmap) and found.samples == 2
    np.testing.assert_array_equal(found.inputs[0], x[:2])
    (tmp_path / "y.npy").write_bytes((tmp_path / "x.npy").read_bytes()[:-8])
    with pytest.raises(BitwrightError, match=r"y\.npy declares 96 bytes and holds 88"):
        read_data(tmp_path / "y.npy", [kind])
