"""Circumstances of a run, as names and values."""

from collections.abc import Sequence

from twinlens.benchmarking.record import Record


def facts(record: Record) -> Sequence[tuple[str, str]]:
    """Return names and values of the circumstances of a run."""
    target, machine, inputs = record.target, record.machine, record.inputs
    quota = f"quota {machine.quota_cpus:g} CPUs" if machine.quota_cpus else "no quota"
    usable, threads = len(machine.affinity) or machine.cores, target.threads or "unknown"
    found = [
        ("target", f"{target.kind} {target.name}, towers {(target.sha256 or 'unknown')[:12]}"),
        ("processor", f"{machine.processor}: {', '.join(machine.instructions) or 'no set known'}"),
        ("operators, search", f"{target.operators or 'unknown'}, {machine.search_path}"),
        ("CPUs", f"{machine.cores}, of which {usable} may be used, {quota}; {threads} threads"),
        ("neighbours", record.neighbours.words),
        (
            "inputs",
            f"{inputs.images} images of {inputs.image_bytes / 1e3:.0f} kB, {inputs.texts} texts"
            + (f" of {inputs.tokens:g} tokens" if inputs.tokens else ""),
        ),
        ("driver", f"{record.driver}, seed {record.settings.seed}, {record.settings.seconds:g} s"),
        ("versions", ", ".join(f"{name} {version}" for name, version in record.versions.items())),
    ]
    if record.memory is not None and record.memory.most is not None:
        found.append(("memory", f"{record.memory.most:.0f} MB at most"))
    if record.gpu_after is not None:
        gpu = record.gpu_after
        clocks = f"{gpu.sm_mhz} of {gpu.most_sm_mhz} MHz"
        found.append(("GPU", f"{gpu.name}, driver {gpu.driver}, {clocks}, {gpu.power_w} W"))
    return found
