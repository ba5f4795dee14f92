"""The geometry of a network: what each layer makes of a map, what its units see of the image, and what it costs.

Pure torch: the network is run once on one image and followed operation by operation, whatever it is made of.
"""

from zoo.geometry.arithmetic import arithmetic_of
from zoo.geometry.layer import Field, Layer
from zoo.geometry.misfit import check_geometry, misfit, oversized
from zoo.geometry.walk import walk

__all__ = ["Field", "Layer", "arithmetic_of", "check_geometry", "misfit", "oversized", "walk"]
