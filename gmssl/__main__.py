"""`python -m gmssl`: the same program as `gmssl`."""

from __future__ import annotations

import os

from gmssl.commands.program import main

if __name__ == "__main__":
    if "GMSSL_SWEEP_PROCESS" in os.environ:
        from gmssl.sweeping.process import end_with_sweep

        end_with_sweep()
    main()
