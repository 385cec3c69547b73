"""Every recipe of rasters on SIMULATED places: does it learn what one feature cannot say?"""
