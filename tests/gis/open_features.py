"""Run by the system's Python, which QGIS belongs to: read an OGC API, say what there is.

Usage: open_features.py URL COLLECTION...; prints one line of JSON.
"""

import json
import sys

from qgis.core import QgsApplication, QgsVectorLayer  # type: ignore[import-not-found]


def main() -> None:
    """Do it."""
    url, *collections = sys.argv[1:]
    QgsApplication.setPrefixPath("/usr", True)
    application = QgsApplication([], False)
    application.initQgis()
    said = {}
    for name in collections:
        layer = QgsVectorLayer(f"url='{url}' typename='{name}'", name, "OAPIF")
        features = list(layer.getFeatures())
        said[name] = {
            "valid": layer.isValid(),
            "error": layer.error().message(),
            "geometries": [feature.geometry().isGeosValid() for feature in features],
            "fields": layer.fields().names(),
        }
        del features, layer
    print(json.dumps(said))
    application.exitQgis()


main()
