# SPDX-License-Identifier: Apache-2.0
"""What carries a project into other tools: a FuseSoC core, a Tcl script for Vivado's IP packager, a PYNQ driver."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bitwright.backends.project import Project
from bitwright.backends.verilog.boundary import Boundary, boundaries
from bitwright.backends.verilog.text import commented, environment, header
from bitwright.backends.verilog.words import code_name


@dataclass(frozen=True)
class PackageView:
    """What the three files print; paths are relative to the project's folder."""

    header: str
    name: str
    version: str
    model: str
    digest: str
    part: str | None
    clock_ns: float
    interval: int
    top: str
    sources: tuple[str, ...]
    weights: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    ports: tuple[Boundary, ...]

    @property
    def filesets(self) -> tuple[str, ...]:
        """The filesets of the FuseSoC core that hold files."""
        return ("rtl", "weights") if self.weights else ("rtl",)


def carrier_files(project: Project, top: str, sources: Sequence[str], weights: Sequence[str]) -> dict[str, str]:
    """`<name>.core`, `vivado/package_ip.tcl` and `pynq/<name>_driver.py`, path -> text."""
    inputs, outputs = boundaries(project.kernels)
    view = PackageView(
        header=header(project, "#"),
        name=project.name,
        version=project.version,
        model=commented(project.model, 40),
        digest=project.digest,
        part=project.part,
        clock_ns=project.clock_ns,
        interval=project.kernels.interval,
        top=top,
        sources=tuple(sources),
        weights=tuple(weights),
        inputs=tuple(_port(port) for port in inputs),
        outputs=tuple(_port(port) for port in outputs),
        ports=(*inputs, *outputs),
    )
    templates = {
        f"{project.name}.core": "design.core.j2",
        "vivado/package_ip.tcl": "package_ip.tcl.j2",
        f"pynq/{project.name}_driver.py": "driver.py.j2",
    }
    return {
        path: environment().get_template(f"package/{name}").render(package=view) for path, name in templates.items()
    }


def _port(port: Boundary) -> str:
    """The driver's constructor call for a port."""
    kind, shape = port.stream.type, port.stream.shape
    return (
        f'Port("{port.prefix}", bits={kind.bits}, code="{code_name(kind).lower()}", '
        f"low={kind.lo}, high={kind.hi}, shape={shape!r})"
    )
