-- In metres along the outline's own meridian, so that no zone's edge or scale comes in; to a tenth
-- of a degree (some 1e-7 in scale), since PostGIS keeps projections that it has met.
CREATE FUNCTION scarpwatch.outline_size(
    outline geometry, OUT length_m double precision, OUT width_m double precision
) LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = {search_path} AS $$
DECLARE
    corners geometry;
    one double precision;
    other double precision;
BEGIN
    corners := ST_ExteriorRing(ST_OrientedEnvelope(ST_Transform(outline, format(
        '+proj=tmerc +lat_0=0 +lon_0=%s +k=1 +datum=WGS84 +units=m +no_defs',
        round(ST_X(ST_Centroid(outline))::numeric, 1)))));
    one := ST_Distance(ST_PointN(corners, 1), ST_PointN(corners, 2));
    other := ST_Distance(ST_PointN(corners, 2), ST_PointN(corners, 3));
    IF least(one, other) > 0 AND greatest(one, other) < 'Infinity' THEN
        length_m := greatest(one, other);
        width_m := least(one, other);
    END IF;
EXCEPTION WHEN internal_error OR data_exception THEN
    RETURN;  -- not known; a landslide must be stored all the same
END $$;
COMMENT ON FUNCTION scarpwatch.outline_size IS
    'Sides of the narrowest rectangle around an outline, m; null where it has none.';

CREATE FUNCTION scarpwatch.measure_outline() RETURNS trigger
LANGUAGE plpgsql SET search_path = {search_path} AS $$
BEGIN
    INSERT INTO scarpwatch.landslide_measures (landslide_id, revision, length_m, width_m)
    SELECT NEW.landslide_id, NEW.revision, size.length_m, size.width_m
    FROM scarpwatch.outline_size(NEW.geometry) AS size;
    -- What was read of the ground belongs to the outline: while that stays, it stays.
    UPDATE scarpwatch.landslide_measures AS now
    SET elevation_min_m = before.elevation_min_m, elevation_max_m = before.elevation_max_m,
        slope_deg = before.slope_deg, aspect_deg = before.aspect_deg
    FROM scarpwatch.landslide_measures AS before
    JOIN scarpwatch.landslide_versions AS earlier
        ON earlier.landslide_id = before.landslide_id AND earlier.revision = before.revision
    WHERE now.landslide_id = NEW.landslide_id AND now.revision = NEW.revision
        AND before.landslide_id = NEW.landslide_id AND before.revision = NEW.revision - 1
        AND earlier.geometry = NEW.geometry AND before.elevation_min_m IS NOT NULL;
    RETURN NULL;
END $$;
CREATE TRIGGER keeps_measures AFTER INSERT ON scarpwatch.landslide_versions
    FOR EACH ROW EXECUTE FUNCTION scarpwatch.measure_outline();
COMMENT ON FUNCTION scarpwatch.measure_outline IS 'Measures the outline of each new version.';
