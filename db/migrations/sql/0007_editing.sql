-- Editing by people. All of it runs with the owner's rights; the author is the login.

-- Multipolygons in EPSG:4326 they are already: the view's column takes nothing else.
CREATE FUNCTION scarpwatch.outline_drawn(drawn geometry) RETURNS geometry
LANGUAGE plpgsql IMMUTABLE SET search_path = {search_path} AS $$
DECLARE
    why text;
BEGIN
    IF drawn IS NULL OR ST_IsEmpty(drawn) THEN
        why := 'it is empty';
    ELSIF NOT ST_IsValid(drawn) THEN
        why := lower(ST_IsValidReason(drawn));
    ELSIF NOT coalesce(ST_XMin(drawn) >= -180 AND ST_XMax(drawn) <= 540
            AND ST_YMin(drawn) >= -90 AND ST_YMax(drawn) <= 90, false) THEN
        why := 'it lies outside the world';
    ELSIF NOT ST_Area(drawn::geography) > 0 THEN
        why := 'it has no area';
    END IF;
    IF why IS NOT NULL THEN
        RAISE EXCEPTION 'InvalidOutline: %', why USING ERRCODE = 'check_violation',
            HINT = 'Mend the outline (QGIS: Fix geometries) and save again; nothing was stored.';
    END IF;
    RETURN drawn;
END $$;
COMMENT ON FUNCTION scarpwatch.outline_drawn IS 'An outline fit to be stored, or InvalidOutline.';

CREATE FUNCTION scarpwatch.latest_version(landslide uuid) RETURNS scarpwatch.landslide_versions
LANGUAGE plpgsql SET search_path = {search_path} AS $$
DECLARE
    ground text;
    held scarpwatch.landslide_versions;
BEGIN
    SELECT region_id INTO ground FROM scarpwatch.landslides
    WHERE id = landslide AND region_id IN (SELECT scarpwatch.visible_regions(session_user));
    IF ground IS NULL THEN
        RAISE EXCEPTION 'UnknownLandslide: there is no landslide %', landslide
            USING ERRCODE = 'check_violation', HINT = 'See analysts.landslides_edit.';
    END IF;
    -- The lock that looks are worked in under (db.regions.lock_region).
    PERFORM pg_advisory_xact_lock(hashtextextended('scarpwatch:region:' || ground, 0));
    SELECT * INTO held FROM scarpwatch.landslide_versions
    WHERE landslide_id = landslide ORDER BY revision DESC LIMIT 1;
    IF held.merged_into IS NOT NULL THEN
        RAISE EXCEPTION 'NotEditable: % is part of %', landslide, held.merged_into
            USING ERRCODE = 'check_violation', HINT = 'Edit that one.';
    END IF;
    RETURN held;
END $$;
COMMENT ON FUNCTION scarpwatch.latest_version IS
    'Latest version of a landslide that the login may edit, its region locked.';

CREATE FUNCTION scarpwatch.redraw(landslide uuid, drawn geometry, note text) RETURNS void
LANGUAGE plpgsql SET search_path = {search_path} AS $$
DECLARE
    held scarpwatch.landslide_versions := scarpwatch.latest_version(landslide);
    outline geometry := scarpwatch.outline_drawn(drawn);
    said timestamptz := clock_timestamp();
BEGIN
    IF NOT ST_Intersects(outline, held.geometry) THEN
        RAISE EXCEPTION 'InvalidOutline: it shares no ground with the outline it replaces'
            USING ERRCODE = 'check_violation',
            HINT = 'An outline somewhere else is another landslide; nothing was stored.';
    END IF;
    held.revision := held.revision + 1;
    held.geometry := outline;
    held.area_m2 := ST_Area(outline::geography);
    held.drawn_by := session_user;
    held.cause := concat_ws(': ', 'redrawn by ' || session_user, nullif(note, ''));
    held.cause_kind := 'person';
    held.acquisition_id := NULL;
    held.valid_from := said;
    held.recorded_at := said;
    INSERT INTO scarpwatch.landslide_versions SELECT held.*;
    INSERT INTO scarpwatch.outline_edits
        (kind, landslide_id, geometry, area_m2, author, reason, said_at)
    VALUES ('redraw', landslide, outline, held.area_m2, session_user, coalesce(note, ''), said);
END $$;
COMMENT ON FUNCTION scarpwatch.redraw IS 'Gives a landslide the outline that a person drew.';

CREATE FUNCTION scarpwatch.merge_into(part uuid, whole uuid, note text) RETURNS void
LANGUAGE plpgsql SET search_path = {search_path} AS $$
DECLARE
    gone scarpwatch.landslide_versions := scarpwatch.latest_version(part);
    stays scarpwatch.landslide_versions := scarpwatch.latest_version(whole);
    weight constant text[] := ARRAY['refuted', 'unresolved', 'suspected', 'confirmed'];
    said timestamptz := clock_timestamp();
    why text;
BEGIN
    IF part = whole THEN
        why := 'it is the same landslide';
    ELSIF (SELECT count(DISTINCT region_id) FROM scarpwatch.landslides WHERE id IN (part, whole))
            > 1 THEN
        why := 'they are in different regions';
    ELSIF gone.kind <> stays.kind THEN
        why := format('one is a %s and the other a %s', gone.kind, stays.kind);
    -- What is open or confirmed must not end in what is neither.
    ELSIF coalesce(array_position(weight, gone.state), 0)
            > coalesce(array_position(weight, stays.state), 0) THEN
        why := format('it is %s and the other %s; merge the other way round', gone.state,
            stays.state);
    END IF;
    IF why IS NOT NULL THEN
        RAISE EXCEPTION 'NotMergeable: %', why USING ERRCODE = 'check_violation',
            HINT = 'Nothing was stored.';
    END IF;
    IF NOT ST_Covers(stays.geometry, gone.geometry) THEN
        stays.geometry := ST_Multi(ST_CollectionExtract(
            ST_Union(stays.geometry, gone.geometry), 3));
        stays.area_m2 := ST_Area(stays.geometry::geography);
    END IF;
    stays.revision := stays.revision + 1;
    stays.detections := stays.detections
        || ARRAY(SELECT one FROM unnest(gone.detections) WITH ORDINALITY AS o (one, place)
                 WHERE one <> ALL (stays.detections) ORDER BY place);
    stays.looks := greatest(stays.looks, gone.looks);
    stays.score_max := greatest(stays.score_max, gone.score_max);
    stays.evidence := greatest(stays.evidence, gone.evidence);
    stays.change_db := coalesce(stays.change_db, gone.change_db);
    IF gone.not_after < stays.not_after THEN
        stays.not_before := gone.not_before;
        stays.not_after := gone.not_after;
    END IF;
    IF gone.tier = 'likely' THEN
        stays.tier := 'likely';
    END IF;
    stays.simulated := stays.simulated OR gone.simulated;
    stays.merged_from := stays.merged_from || part;
    stays.drawn_by := session_user;
    stays.cause := concat_ws(': ',
        format('one body with %s, drawn by %s', left(part::text, 8), session_user),
        nullif(note, ''));
    stays.cause_kind := 'person';
    stays.acquisition_id := NULL;
    stays.valid_from := said;
    stays.recorded_at := said;
    INSERT INTO scarpwatch.landslide_versions SELECT stays.*;
    gone.revision := gone.revision + 1;
    gone.state := 'closed';
    gone.merged_into := whole;
    gone.cause := concat_ws(': ',
        format('part of %s, drawn by %s', left(whole::text, 8), session_user), nullif(note, ''));
    gone.cause_kind := 'person';
    gone.acquisition_id := NULL;
    gone.valid_from := said;
    gone.recorded_at := said;
    INSERT INTO scarpwatch.landslide_versions SELECT gone.*;
    INSERT INTO scarpwatch.landslide_detections
    SELECT whole, detection_id FROM scarpwatch.landslide_detections WHERE landslide_id = part
    ON CONFLICT DO NOTHING;
    INSERT INTO scarpwatch.radar_checks
    SELECT (jsonb_populate_record(said_of, jsonb_build_object('landslide_id', whole))).*
    FROM scarpwatch.radar_checks AS said_of WHERE landslide_id = part AND tier IS NOT NULL
    ON CONFLICT DO NOTHING;
    INSERT INTO scarpwatch.outline_edits
        (kind, landslide_id, other_id, geometry, area_m2, author, reason, said_at)
    VALUES ('merge', whole, part, stays.geometry, stays.area_m2, session_user,
        coalesce(note, ''), said);
END $$;
COMMENT ON FUNCTION scarpwatch.merge_into IS 'Makes one landslide part of another.';

CREATE FUNCTION scarpwatch.split_off(whole uuid, part uuid, drawn geometry, note text) RETURNS void
LANGUAGE plpgsql SET search_path = {search_path} AS $$
DECLARE
    held scarpwatch.landslide_versions := scarpwatch.latest_version(whole);
    outline geometry := scarpwatch.outline_drawn(drawn);
    child scarpwatch.landslide_versions := held;
    rest geometry;
    said timestamptz := clock_timestamp();
BEGIN
    IF NOT EXISTS (
        SELECT FROM scarpwatch.landslide_versions AS earlier
        WHERE earlier.landslide_id = whole AND ST_Intersects(earlier.geometry, outline)
    ) THEN
        RAISE EXCEPTION 'InvalidOutline: it shares no ground with the landslide it is a part of'
            USING ERRCODE = 'check_violation', HINT = 'Nothing was stored.';
    END IF;
    rest := held.geometry;
    IF ST_Area(ST_Intersection(rest, outline)) > 0 THEN
        rest := ST_Multi(ST_CollectionExtract(ST_Difference(rest, outline), 3));
        IF ST_IsEmpty(rest) THEN
            RAISE EXCEPTION 'InvalidOutline: nothing is left of the landslide it is a part of'
                USING ERRCODE = 'check_violation', HINT = 'Nothing was stored.';
        END IF;
        held.geometry := rest;
        held.area_m2 := ST_Area(rest::geography);
    END IF;
    child.landslide_id := part;
    child.revision := 1;
    child.geometry := outline;
    child.area_m2 := ST_Area(outline::geography);
    child.merged_from := '{}';
    child.split_from := whole;
    child.split_into := '{}';
    child.follows := NULL;
    child.drawn_by := session_user;
    child.cause := concat_ws(': ',
        format('a body of its own, drawn by %s', session_user), nullif(note, ''));
    child.cause_kind := 'person';
    child.acquisition_id := NULL;
    child.valid_from := said;
    child.recorded_at := said;
    held.revision := held.revision + 1;
    held.split_into := held.split_into || part;
    held.drawn_by := session_user;
    held.cause := concat_ws(': ',
        format('%s is a body of its own, drawn by %s', left(part::text, 8), session_user),
        nullif(note, ''));
    held.cause_kind := 'person';
    held.acquisition_id := NULL;
    held.valid_from := said;
    held.recorded_at := said;
    INSERT INTO scarpwatch.landslides (id, region_id)
    SELECT part, region_id FROM scarpwatch.landslides WHERE id = whole;
    INSERT INTO scarpwatch.landslide_versions SELECT held.*;
    INSERT INTO scarpwatch.landslide_versions SELECT child.*;
    INSERT INTO scarpwatch.landslide_detections
    SELECT part, detection_id FROM scarpwatch.landslide_detections WHERE landslide_id = whole;
    INSERT INTO scarpwatch.radar_checks
    SELECT (jsonb_populate_record(said_of, jsonb_build_object('landslide_id', part))).*
    FROM scarpwatch.radar_checks AS said_of WHERE landslide_id = whole;
    INSERT INTO scarpwatch.outline_edits
        (kind, landslide_id, other_id, geometry, area_m2, author, reason, said_at)
    VALUES ('split', part, whole, outline, child.area_m2, session_user, coalesce(note, ''), said),
        ('redraw', whole, NULL, held.geometry, held.area_m2, session_user, coalesce(note, ''),
            said);
END $$;
COMMENT ON FUNCTION scarpwatch.split_off IS 'Makes a part of a landslide a landslide of its own.';

-- Only what differs from what is shown is said anew; the rest is said as before.
CREATE FUNCTION scarpwatch.describe(
    landslide uuid, shown analysts.landslides_edit, says analysts.landslides_edit
) RETURNS void LANGUAGE plpgsql SET search_path = {search_path} AS $$
DECLARE
    before scarpwatch.landslide_attributes;
BEGIN
    IF (says.land_cover, says.mapping_source, says."trigger", coalesce(says.type, 'unknown'))
        IS NOT DISTINCT FROM
        (shown.land_cover, shown.mapping_source, shown."trigger", shown.type)
    THEN
        RETURN;
    END IF;
    PERFORM scarpwatch.latest_version(landslide);
    SELECT * INTO before FROM scarpwatch.landslide_attributes
    WHERE landslide_id = landslide ORDER BY number DESC LIMIT 1;
    INSERT INTO scarpwatch.landslide_attributes
        (landslide_id, land_cover, mapping_source, "trigger", type, note, author)
    VALUES (landslide, nullif(says.land_cover, ''),
        CASE WHEN says.mapping_source IS DISTINCT FROM shown.mapping_source
            THEN nullif(says.mapping_source, '') ELSE before.mapping_source END,
        nullif(says."trigger", ''), coalesce(nullif(says.type, ''), 'unknown'),
        coalesce(says.note, ''), session_user);
END $$;
COMMENT ON FUNCTION scarpwatch.describe IS 'Stores what a person says of a landslide.';

-- Everything else on a row is what looks and verdicts made of it.
CREATE FUNCTION scarpwatch.edit_allowed(
    shown analysts.landslides_edit, says analysts.landslides_edit
) RETURNS void LANGUAGE plpgsql IMMUTABLE SET search_path = {search_path} AS $$
DECLARE
    editable constant text[] := ARRAY['geometry', 'land_cover', 'mapping_source', 'trigger', 'type',
        'merged_into', 'note'];
    changed text;
BEGIN
    SELECT string_agg(key, ', ' ORDER BY key) INTO changed
    FROM jsonb_each(to_jsonb(says) - editable) AS now
    WHERE now.value IS DISTINCT FROM to_jsonb(shown) -> now.key;
    IF changed IS NOT NULL THEN
        RAISE EXCEPTION 'NotEditable: %', changed USING ERRCODE = 'check_violation',
            HINT = 'Editable are ' || array_to_string(editable, ', ')
                || '. Verdicts are given with: scarpwatch review';
    END IF;
END $$;
COMMENT ON FUNCTION scarpwatch.edit_allowed IS 'Refuses edits of what people do not decide here.';

CREATE FUNCTION scarpwatch.edit_landslide() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = {search_path} AS $$
DECLARE
    whole uuid;
    shown analysts.landslides_edit;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        PERFORM scarpwatch.edit_allowed(OLD, NEW);
        IF NEW.merged_into IS NOT NULL THEN
            PERFORM scarpwatch.merge_into(OLD.id, NEW.merged_into, NEW.note);
            RETURN NEW;
        END IF;
        IF NEW.geometry::bytea IS DISTINCT FROM OLD.geometry::bytea THEN
            PERFORM scarpwatch.redraw(OLD.id, NEW.geometry, NEW.note);
        END IF;
        PERFORM scarpwatch.describe(OLD.id, OLD, NEW);
        RETURN NEW;
    END IF;
    IF TG_OP = 'DELETE' THEN
        -- Merging features draws one outline over all, and deletes the others.
        SELECT version.landslide_id INTO whole
        FROM scarpwatch.landslide_versions AS version
        JOIN scarpwatch.landslides AS landslide ON landslide.id = version.landslide_id
        WHERE landslide.region_id = OLD.region_id AND version.landslide_id <> OLD.id
            AND version.kind = OLD.kind AND version.drawn_by = session_user
            AND version.merged_into IS NULL AND version.geometry && OLD.geometry
            AND NOT EXISTS (
                SELECT FROM scarpwatch.landslide_versions AS later
                WHERE later.landslide_id = version.landslide_id
                    AND later.revision > version.revision)
            AND ST_Area(ST_Intersection(version.geometry, OLD.geometry))
                > ST_Area(OLD.geometry) / 2
        ORDER BY version.recorded_at DESC LIMIT 1;
        IF whole IS NULL THEN
            RAISE EXCEPTION 'NotDeletable: landslides are never deleted'
                USING ERRCODE = 'check_violation',
                HINT = 'To merge, draw the outline of the other one over this one first, or set '
                    'merged_into. If it is none: scarpwatch review LANDSLIDE refute';
        END IF;
        PERFORM scarpwatch.merge_into(OLD.id, whole, '');
        RETURN OLD;
    END IF;
    -- A part carries the identity of its whole where a program copied the row to split it.
    whole := coalesce(NEW.split_from, NEW.id);
    IF whole IS NULL THEN
        RAISE EXCEPTION 'NotEditable: split_from is missing' USING ERRCODE = 'check_violation',
            HINT = 'New rows are parts of a landslide that is there: set split_from to its id.';
    END IF;
    SELECT * INTO shown FROM analysts.landslides_edit WHERE id = whole;
    IF NEW.id IS NULL OR EXISTS (SELECT FROM scarpwatch.landslides WHERE id = NEW.id) THEN
        NEW.id := gen_random_uuid();
    END IF;
    PERFORM scarpwatch.split_off(whole, NEW.id, NEW.geometry, NEW.note);
    -- What nobody says anew of the part is what was said of the whole.
    NEW.land_cover := coalesce(NEW.land_cover, shown.land_cover);
    NEW."trigger" := coalesce(NEW."trigger", shown."trigger");
    NEW.type := coalesce(NEW.type, shown.type);
    IF NEW.mapping_source IS NOT DISTINCT FROM shown.mapping_source THEN
        NEW.mapping_source := NULL;
    END IF;
    shown.land_cover := NULL;
    shown.mapping_source := NULL;
    shown."trigger" := NULL;
    shown.type := 'unknown';
    PERFORM scarpwatch.describe(NEW.id, shown, NEW);
    NEW.split_from := whole;
    RETURN NEW;
END $$;
COMMENT ON FUNCTION scarpwatch.edit_landslide IS 'Turns edits into new versions.';
CREATE TRIGGER edits INSTEAD OF INSERT OR UPDATE OR DELETE ON analysts.landslides_edit
    FOR EACH ROW EXECUTE FUNCTION scarpwatch.edit_landslide();
