"""``python -m netorch``."""

from netorch.cli.main import main

raise SystemExit(main())
