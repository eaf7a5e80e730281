"""The mirror's agents: ``feed`` on switches tells the providers' MAC addresses, ``mirror`` on hosts follows it.

Pure: ``settings``, ``wire``, ``holddown``, ``pace``, ``table`` (what a switch tells), ``entries`` (what a host is to have). At
work: ``feed`` with ``server``; ``mirror`` with ``follow`` and ``kernel``; ``service``, which both run in.
"""
