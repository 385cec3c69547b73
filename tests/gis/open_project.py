"""Run by the system's Python, which QGIS belongs to: load a project, draw it, say what there is.

Usage: open_project.py PROJECT PICTURE [--edit ID] VIEW...; prints one line of JSON. With --edit the
outline of a landslide is grown as an analyst would redraw it.
"""

import json
import sys

from qgis.core import (  # type: ignore[import-not-found]
    QgsApplication,
    QgsMapRendererParallelJob,
    QgsMapSettings,
    QgsProject,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QSize  # type: ignore[import-not-found]
from qgis.PyQt.QtGui import QColor  # type: ignore[import-not-found]


def main() -> None:
    """Do it."""
    path, picture, *by_hand = sys.argv[1:]
    edited = by_hand[1] if by_hand[:1] == ["--edit"] else None
    by_hand = by_hand[2 * (edited is not None) :]
    QgsApplication.setPrefixPath("/usr", True)
    application = QgsApplication([], False)
    application.initQgis()
    project = QgsProject.instance()
    said = {"read": project.read(path), "error": project.error(), "layers": {}, "by_hand": {}}
    for layer in project.mapLayers().values():
        said["layers"][layer.id()] = {
            "name": layer.name(),
            "valid": layer.isValid(),
            "error": layer.error().message(),
            "features": layer.featureCount(),
            "read_only": layer.readOnly(),
            "legend": [item.label() for item in layer.renderer().legendSymbolItems()],
            "labels": layer.labelsEnabled(),
            "tip": bool(layer.mapTipTemplate()),
            "form": {
                field.name(): layer.editorWidgetSetup(index).type()
                for index, field in enumerate(layer.fields())
            },
            "fixed": [
                field.name()
                for index, field in enumerate(layer.fields())
                if layer.editFormConfig().readOnly(index)
            ],
        }
        source = layer.source()
    relations = project.relationManager().relations()
    said["relations"] = {key: relation.isValid() for key, relation in relations.items()}
    for view in by_hand:
        uri = source.replace(source.split('table="analysts".')[1].split(" ")[0], f'"{view}"')
        opened = QgsVectorLayer(uri, view, "postgres")
        said["by_hand"][view] = {
            "valid": opened.isValid(),
            "legend": [item.label() for item in opened.renderer().legendSymbolItems()],
        }
    if edited is not None:
        said["edited"] = _edit(project.mapLayer("analysts_landslides_edit"), edited)
    _draw(project, picture)
    print(json.dumps(said))
    project.clear()
    application.exitQgis()


def _edit(layer: QgsVectorLayer, key: str) -> dict[str, object]:
    (feature,) = layer.getFeatures(f"\"id\" = '{key}'")
    layer.startEditing()
    grown = feature.geometry().buffer(0.0005, 8)
    grown.convertToMultiType()
    layer.changeGeometry(feature.id(), grown)
    for name, value in (("trigger", "rainfall"), ("note", "seen from the road")):
        layer.changeAttributeValue(feature.id(), layer.fields().indexOf(name), value)
    return {"committed": layer.commitChanges(), "errors": layer.commitErrors()}


def _draw(project: QgsProject, picture: str) -> None:
    settings = QgsMapSettings()
    tree = project.layerTreeRoot()
    settings.setLayers(tree.checkedLayers())
    settings.setDestinationCrs(project.crs())
    settings.setBackgroundColor(QColor("white"))
    settings.setOutputSize(QSize(1000, 800))
    # The first that holds something: the box of nothing is no place to draw.
    extent = next(one.extent() for one in tree.checkedLayers() if not one.extent().isEmpty())
    extent.scale(1.4)
    settings.setExtent(extent)
    job = QgsMapRendererParallelJob(settings)
    job.start()
    job.waitForFinished()
    if job.errors():
        raise SystemExit("; ".join(error.message for error in job.errors()))
    job.renderedImage().save(picture)


main()
