"""Run by the Python that QGIS belongs to: draw the rasters of a project, say what they are.

Usage: open_rasters.py PROJECT PICTURE LON LAT; prints one line of JSON, with the values at a place.
"""

import json
import sys

from qgis.core import (  # type: ignore[import-not-found]
    QgsApplication,
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsMapRendererParallelJob,
    QgsMapSettings,
    QgsPointXY,
    QgsProject,
    QgsRasterLayer,
    QgsRectangle,
)
from qgis.PyQt.QtCore import QSize  # type: ignore[import-not-found]
from qgis.PyQt.QtGui import QColor  # type: ignore[import-not-found]


def main() -> None:
    """Do it."""
    path, picture, lon, lat = sys.argv[1:]
    QgsApplication.setPrefixPath("/usr", True)
    application = QgsApplication([], False)
    application.initQgis()
    project = QgsProject.instance()
    said = {"read": project.read(path), "error": project.error(), "layers": {}}
    degrees = QgsCoordinateReferenceSystem("EPSG:4326")
    place = QgsPointXY(float(lon), float(lat))
    for layer in project.mapLayers().values():
        if not isinstance(layer, QgsRasterLayer):
            continue
        there = QgsCoordinateTransform(degrees, layer.crs(), project).transform(place)
        value, known = layer.dataProvider().sample(there, 1)
        said["layers"][layer.id()] = {
            "name": layer.name(),
            "group": project.layerTreeRoot().findLayer(layer.id()).parent().name(),
            "shown": project.layerTreeRoot().findLayer(layer.id()).isVisible(),
            "valid": layer.isValid(),
            "error": layer.error().message(),
            "provider": layer.providerType(),
            "renderer": layer.renderer().type(),
            "crs": layer.crs().authid(),
            "value": value if known else None,
        }
    settings = QgsMapSettings()
    settings.setLayers(project.layerTreeRoot().checkedLayers())
    settings.setDestinationCrs(degrees)
    settings.setBackgroundColor(QColor("white"))
    settings.setOutputSize(QSize(800, 640))
    settings.setExtent(QgsRectangle.fromCenterAndSize(place, 0.0125, 0.01))
    job = QgsMapRendererParallelJob(settings)
    job.start()
    job.waitForFinished()
    if job.errors():
        raise SystemExit("; ".join(error.message for error in job.errors()))
    job.renderedImage().save(picture)
    print(json.dumps(said))
    project.clear()
    application.exitQgis()


main()
