"""How a message leaves: one file per kind of channel, one registration in ``registry``."""
