"""What we tell, and to whom: rules, messages, channels, delivery.

This file imports nothing, because every send starts a fresh interpreter that pays for it.
"""
