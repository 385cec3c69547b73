-- Whoever is not listed sees nothing, so that a login made for another database of this server
-- does not see everything in this one; the owner of the schema, and superusers, see all.
CREATE FUNCTION scarpwatch.visible_regions(who name) RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER ROWS 10 SET search_path = {search_path} AS $$
SELECT region.id FROM scarpwatch.regions AS region
WHERE pg_has_role(who, (SELECT nspowner FROM pg_namespace WHERE nspname = 'scarpwatch'), 'USAGE')
    OR EXISTS (
        SELECT FROM scarpwatch.readers AS reader
        WHERE reader.login = who AND (reader.groups IS NULL OR reader.groups && region.tags))
$$;
COMMENT ON FUNCTION scarpwatch.visible_regions IS 'Regions that a login sees through the views.';
