-- Who may see the rows of the new tables, and the signals that follow a change of a crawl.
do $$
declare
  tenant text;
begin
  foreach tenant in array array[
    'passage_overrides', 'faqs', 'lexemes', 'knowledge_settings', 'crawls', 'crawl_pages'
  ] loop
    execute format('alter table %I enable row level security', tenant);
    execute format('alter table %I force row level security', tenant);
    execute format(
      'create policy own_org on %I using (org_id = nullif(current_setting(''app.org'', true), '''')::uuid)'
      ' with check (org_id = nullif(current_setting(''app.org'', true), '''')::uuid)', tenant);
    execute format('grant select, insert, update, delete on %I to chatbot_app', tenant);
  end loop;
end
$$;

-- Organisations that have a crawl to begin, or one whose worker died.
grant select on crawls to chatbot_lookup;
create policy lookup on crawls for select to chatbot_lookup using (true);

create function lookup.due_crawls(before timestamptz) returns setof uuid
  language sql stable security definer set search_path = pg_catalog, public
  as $$
    select distinct org_id from public.crawls
    where next_at <= before and (leased_until is null or leased_until < before)
  $$;
revoke execute on function lookup.due_crawls(timestamptz) from public;
grant execute on function lookup.due_crawls(timestamptz) to chatbot_app;
alter function lookup.due_crawls(timestamptz) owner to chatbot_lookup;

create function realtime.on_crawls() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if realtime.quiet() then return null; end if;
  perform realtime.write(c.org_id, jsonb_build_object('crawl_id', c.id), 'crawl.changed',
      concat_ws(':', 'org', c.org_id, 'knowledge')) from changed_rows c;
  return null;
end $$;

create trigger signal_insert after insert on public.crawls
  referencing new table as changed_rows for each statement execute function realtime.on_crawls();
create trigger signal_update after update on public.crawls
  referencing new table as changed_rows for each statement execute function realtime.on_crawls();
create trigger signal_delete after delete on public.crawls
  referencing old table as changed_rows for each statement execute function realtime.on_crawls();

-- A new owner must be allowed to make it there, for this moment only.
grant create on schema realtime to chatbot_lookup;
alter function realtime.on_crawls() owner to chatbot_lookup;
revoke create on schema realtime from chatbot_lookup;
revoke execute on function realtime.on_crawls() from public;
