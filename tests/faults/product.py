# SPDX-License-Identifier: Apache-2.0
"""The product with its keeper started by something else."""

import shutil

from support.graft import Graft


def with_keeper_started_by(graft, folder, words):
    """A copy of the product below `folder`; `words` of a shell come before the keeper."""
    for part in ("bin", "lib"):
        shutil.copytree(graft.build / part, folder / part, symlinks=True)
    wrapper = folder / "libexec" / "tlsgraft" / "tlsgraft-keeper"
    wrapper.parent.mkdir(parents=True)
    wrapper.write_text(f'#!/bin/sh\nexec {words} {graft.keeper} "$@"\n')
    wrapper.chmod(0o755)
    return Graft(folder)
