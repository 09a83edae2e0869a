-- The real-time layer inside the database: signals written in the writer's transaction, read by cursor.
-- Run once, as chatbot_owner (a member of chatbot_lookup), after the tables that the triggers watch exist.
-- docs/realtime.md says how it works; docs/channels.md lists every topic.
--
-- What chatbot_lookup may see beyond one organisation (the catalogue test compares this list):
--   realtime.messages     insert, select   realtime.write, realtime.read, realtime.missed
--   realtime.epoch        select           realtime.position, realtime.missed
--   orgs sites visitors conversations staff_members   select of ids   realtime.org_of, handoff_signal, on_staff_sessions
-- It owns: org_of, handoff_signal, write, send, broadcast_changes, position, read, missed and the trigger functions on_*.

create schema realtime;
revoke all on schema realtime from public;
grant usage on schema realtime to chatbot_app;
grant usage, create on schema realtime to chatbot_lookup;  -- create: only while functions are handed over below

-- One row: the life of this database. A restored one starts a new life, for its transaction ids mean something else.
create table realtime.epoch (
  only_row boolean primary key default true check (only_row),
  life uuid not null default gen_random_uuid(),
  floor xid8 not null default '0'  -- the newest transaction whose signals were dropped by retention
);
insert into realtime.epoch default values;
grant select on realtime.epoch to chatbot_lookup;

create table realtime.messages (
  id bigint not null generated always as identity,
  xid xid8 not null default pg_current_xact_id(),  -- of the outermost transaction, also inside a savepoint
  org_id uuid not null,
  topic text not null check (topic ~ '^[a-z]{1,20}[:][0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}[:][a-z]{1,20}$'),
  event text not null check (event ~ '^[a-z][a-z0-9_.]{0,59}$'),
  payload jsonb not null check (jsonb_typeof(payload) = 'object' and octet_length(payload::text) <= 2048),
  private boolean not null default true,
  inserted_at timestamptz not null default now(),
  primary key (inserted_at, id)
) partition by range (inserted_at);
create index messages_xid on realtime.messages (xid, id);
create index messages_topic on realtime.messages (topic, xid, id);

-- Partitions are reached through the table only: no grants, and row-level security without a policy in case of one.
create table realtime.messages_default partition of realtime.messages default;
alter table realtime.messages_default enable row level security;

-- The one row that a join is tried on. Its partition lies before every real one and is never dropped.
create table realtime.messages_sentinel partition of realtime.messages
  for values from (minvalue) to ('2000-01-01 00:00:00+00');
alter table realtime.messages_sentinel enable row level security;
insert into realtime.messages (id, xid, org_id, topic, event, payload, inserted_at)
  overriding system value
  values (0, '0', '00000000-0000-0000-0000-000000000000',
    concat_ws(':', 'org', '00000000-0000-0000-0000-000000000000', 'sentinel'), 'sentinel', '{}', 'epoch');

-- ── Who may listen ───────────────────────────────────────────────────────────────────────────────────────────

-- Bodies after `return` are bound here and now, whatever the caller's search_path, and can be inlined into the policies.
create function realtime.topic() returns text language sql stable
  return nullif(current_setting('realtime.topic', true), '');
comment on function realtime.topic() is 'The topic a session asks to join, for policies on realtime.messages.';

create function realtime.topic_id(scope text, feature text) returns uuid language sql stable
  return case when split_part(realtime.topic(), ':', 1) = scope and split_part(realtime.topic(), ':', 3) = feature
    then split_part(realtime.topic(), ':', 2)::uuid end;
comment on function realtime.topic_id(text, text) is 'The id in realtime.topic() when it is of this kind, else null.';

create function realtime.actor(kind text) returns uuid language sql stable
  return case when split_part(current_setting('app.actor', true), ':', 1) = kind
    then nullif(split_part(current_setting('app.actor', true), ':', 2), '')::uuid end;
comment on function realtime.actor(text) is 'The id in app.actor (visitor:… or staff:…) when it is of this kind, else null.';

-- Runs as the caller: what the caller's own row-level security hides does not exist here either.
create function realtime.is_staff() returns boolean language sql stable
  return exists (select from public.staff_members s where s.id = realtime.actor('staff') and s.disabled_at is null);

alter table realtime.messages enable row level security;
alter table realtime.messages force row level security;
grant select on realtime.messages to chatbot_app;
grant select, insert on realtime.messages to chatbot_lookup;

create policy lookup_reads on realtime.messages for select to chatbot_lookup using (true);
create policy lookup_writes on realtime.messages for insert to chatbot_lookup with check (true);

-- Beside the sentinel only the caller's organisation and the topic that was asked for.
create policy own_org on realtime.messages as restrictive for select to chatbot_app using (
  id = 0 or (org_id = nullif(current_setting('app.org', true), '')::uuid and topic = realtime.topic()));

-- One permissive policy a kind of topic, named {scope}_{feature}. The tables inside obey the caller's own policies.
create policy conversation_messages on realtime.messages for select to chatbot_app using (
  exists (select from public.conversations c where c.id = realtime.topic_id('conversation', 'messages')
    and (c.visitor_id = realtime.actor('visitor') or realtime.is_staff())));
create policy conversation_staff on realtime.messages for select to chatbot_app using (
  exists (select from public.conversations c where c.id = realtime.topic_id('conversation', 'staff'))
    and realtime.is_staff());
create policy visitor_conversations on realtime.messages for select to chatbot_app using (
  exists (select from public.visitors v where v.id = realtime.topic_id('visitor', 'conversations')
    and v.id = realtime.actor('visitor')));
create policy org_inbox on realtime.messages for select to chatbot_app using (
  realtime.topic_id('org', 'inbox') = nullif(current_setting('app.org', true), '')::uuid and realtime.is_staff());
create policy org_dashboard on realtime.messages for select to chatbot_app using (
  realtime.topic_id('org', 'dashboard') = nullif(current_setting('app.org', true), '')::uuid and realtime.is_staff());
create policy org_knowledge on realtime.messages for select to chatbot_app using (
  realtime.topic_id('org', 'knowledge') = nullif(current_setting('app.org', true), '')::uuid and realtime.is_staff());
create policy org_public on realtime.messages for select to chatbot_app using (
  realtime.topic_id('org', 'public') = nullif(current_setting('app.org', true), '')::uuid
    and (realtime.is_staff() or exists (select from public.visitors v where v.id = realtime.actor('visitor'))));
create policy site_inbox on realtime.messages for select to chatbot_app using (
  exists (select from public.sites s where s.id = realtime.topic_id('site', 'inbox')) and realtime.is_staff());
create policy site_dashboard on realtime.messages for select to chatbot_app using (
  exists (select from public.sites s where s.id = realtime.topic_id('site', 'dashboard')) and realtime.is_staff());
create policy staff_notifications on realtime.messages for select to chatbot_app using (
  realtime.topic_id('staff', 'notifications') = realtime.actor('staff') and realtime.is_staff());

-- Runs as the caller, so that every policy above is asked; one round trip for all topics of a subscription.
create function realtime.may_join(topics text[]) returns table (topic text, allowed boolean)
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare asked text;
begin
  foreach asked in array topics loop
    perform set_config('realtime.topic', asked, true);
    topic := asked;
    allowed := exists (select from realtime.messages m where m.inserted_at = 'epoch' and m.id = 0);
    return next;
  end loop;
  perform set_config('realtime.topic', '', true);
end $$;

-- ── Writing ──────────────────────────────────────────────────────────────────────────────────────────────────

grant select (id) on public.orgs to chatbot_lookup;
grant select (org_id, id) on public.sites, public.visitors, public.conversations, public.staff_members to chatbot_lookup;
create policy realtime_lookup on public.orgs for select to chatbot_lookup using (true);
create policy realtime_lookup on public.sites for select to chatbot_lookup using (true);
create policy realtime_lookup on public.visitors for select to chatbot_lookup using (true);
create policy realtime_lookup on public.conversations for select to chatbot_lookup using (true);
create policy realtime_lookup on public.staff_members for select to chatbot_lookup using (true);

create function realtime.org_of(topic text) returns uuid
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare named uuid;
begin
  named := split_part(topic, ':', 2)::uuid;
  return case split_part(topic, ':', 1)
    when 'org' then (select o.id from public.orgs o where o.id = named)
    when 'site' then (select s.org_id from public.sites s where s.id = named)
    when 'visitor' then (select v.org_id from public.visitors v where v.id = named)
    when 'staff' then (select s.org_id from public.staff_members s where s.id = named)
    when 'conversation' then (select c.org_id from public.conversations c where c.id = named)
  end;
exception when invalid_text_representation then
  return null;
end $$;

-- The only insert. `private = false` belongs to the public topic of an organisation and to no other.
create function realtime.write(org uuid, payload jsonb, event text, topic text, private boolean default true)
returns void language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if private = (split_part(topic, ':', 3) = 'public') then
    raise exception using errcode = 'invalid_parameter_value',
      message = 'realtime: private must be false on a public topic and true on any other, not on ' || topic;
  end if;
  insert into realtime.messages (org_id, topic, event, payload, private)
    values (write.org, write.topic, write.event, write.payload, write.private);
end $$;

create function realtime.send(payload jsonb, event text, topic text, private boolean default true)
returns void language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  org uuid := realtime.org_of(topic);
  own uuid := nullif(current_setting('app.org', true), '')::uuid;
begin
  if org is null or own <> org then
    raise exception using errcode = 'no_data_found', message = 'realtime: no such topic: ' || coalesce(topic, 'null');
  end if;
  perform realtime.write(org, payload, event, topic, private);
end $$;
comment on function realtime.send(jsonb, text, text, boolean) is
  'Signal that something changed: payload names it (ids, version), never carries it. Raises when it cannot write.';

create function realtime.broadcast_changes(
  topic text, event text, operation text, table_name text, table_schema text, new record, old record)
returns void language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  changed jsonb := case operation when 'DELETE' then to_jsonb(old) else to_jsonb(new) end;
begin
  if changed is null or changed ->> 'id' is null then
    raise exception using errcode = 'invalid_parameter_value',
      message = 'realtime: broadcast_changes needs a row with an id; use it in a row-level trigger';
  end if;
  perform realtime.send(
    jsonb_strip_nulls(jsonb_build_object(
      'id', changed -> 'id', 'operation', operation, 'version', coalesce(changed -> 'rev', changed -> 'version'),
      'table', case table_schema when 'public' then table_name else concat_ws('.', table_schema, table_name) end)),
    event, topic);
end $$;
comment on function realtime.broadcast_changes(text, text, text, text, text, record, record) is
  'For row-level triggers: signals which row changed (id, operation, table, version), not its contents.';

-- ── What signals by itself ───────────────────────────────────────────────────────────────────────────────────
-- Statement-level, so that a bulk change costs one call. A bulk writer may say `set local realtime.quiet = on` and
-- send one closing signal. Commands (stop) and loss of rights are never quiet.

create function realtime.quiet() returns boolean language sql stable
  return coalesce(nullif(current_setting('realtime.quiet', true), ''), 'off')::boolean;

create function realtime.on_conversations() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if realtime.quiet() then return null; end if;
  perform realtime.write(c.org_id, jsonb_build_object('conversation_id', c.id, 'version', c.rev),
      'conversation.changed', inbox.topic)
    from changed_rows c, lateral (
      select concat_ws(':', 'org', c.org_id, 'inbox') as topic
      union all select concat_ws(':', 'site', c.site_id, 'inbox') where c.site_id is not null) inbox;
  if tg_op <> 'UPDATE' then
    perform realtime.write(c.org_id, jsonb_build_object('conversation_id', c.id, 'version', c.rev),
        'conversation.changed', concat_ws(':', 'visitor', c.visitor_id, 'conversations'))
      from changed_rows c where c.visitor_id is not null;
    return null;
  end if;
  -- An internal note moves only `rev`: the visitor must not learn when staff write one.
  perform realtime.write(c.org_id, jsonb_build_object('conversation_id', c.id, 'version', c.rev),
      'conversation.changed', concat_ws(':', 'visitor', c.visitor_id, 'conversations'))
    from changed_rows c join old_rows o on o.id = c.id
    where c.visitor_id is not null and (c.visitor_id, c.closed_at, c.last_message_at)
      is distinct from (o.visitor_id, o.closed_at, o.last_message_at);
  perform realtime.write(o.org_id, jsonb_build_object('conversation_id', o.id, 'visitor_id', o.visitor_id),
      'access.changed', concat_ws(':', 'conversation', o.id, 'access'))
    from changed_rows c join old_rows o on o.id = c.id where c.visitor_id is distinct from o.visitor_id;
  return null;
end $$;

create function realtime.on_conversations_gone() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform realtime.write(c.org_id, jsonb_build_object('conversation_id', c.id),
      'access.changed', concat_ws(':', 'conversation', c.id, 'access')) from changed_rows c;
  return null;
end $$;

create function realtime.on_messages() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if realtime.quiet() then return null; end if;
  perform realtime.write(m.org_id,
      jsonb_build_object('conversation_id', m.conversation_id, 'message_id', m.id, 'version', m.rev), 'message.changed',
      concat_ws(':', 'conversation', m.conversation_id, case m.visibility when 'public' then 'messages' else 'staff' end))
    from changed_rows m;
  return null;
end $$;

create function realtime.handoff_signal(h jsonb, event text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  org uuid := h ->> 'org_id';
  ids jsonb := jsonb_build_object('conversation_id', h -> 'conversation_id', 'handoff_id', h -> 'id');
  site uuid := (select c.site_id from public.conversations c where c.org_id = org and c.id = (h ->> 'conversation_id')::uuid);
begin
  perform realtime.write(org, ids, event, concat_ws(':', 'conversation', h ->> 'conversation_id', 'messages'));
  perform realtime.write(org, ids, event, concat_ws(':', 'org', org, 'inbox'));
  if site is not null then
    perform realtime.write(org, ids, event, concat_ws(':', 'site', site, 'inbox'));
  end if;
end $$;
grant select (site_id) on public.conversations to chatbot_lookup;

create function realtime.on_handoffs() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if realtime.quiet() then return null; end if;
  if tg_op = 'INSERT' then
    perform realtime.handoff_signal(to_jsonb(h), case when h.taken_at is null then 'handoff.requested' else 'handoff.taken' end)
      from changed_rows h;
    return null;
  end if;
  perform realtime.handoff_signal(to_jsonb(h), case
      when h.ended_at is not null then 'handoff.ended'
      when h.taken_at is not null then 'handoff.taken'
      else 'handoff.requested' end)
    from changed_rows h join old_rows o on o.id = h.id
    where (h.taken_by_id, h.taken_at, h.ended_at) is distinct from (o.taken_by_id, o.taken_at, o.ended_at);
  return null;
end $$;

create function realtime.on_documents() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if realtime.quiet() then return null; end if;
  perform realtime.write(d.org_id, jsonb_build_object('document_id', d.id), 'document.changed',
      concat_ws(':', 'org', d.org_id, 'knowledge')) from changed_rows d;
  return null;
end $$;

create function realtime.on_answers() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform realtime.write(a.org_id,
      jsonb_build_object('conversation_id', a.conversation_id, 'answer_id', a.id, 'version', a.attempt), 'answer.stop',
      concat_ws(':', 'conversation', a.conversation_id, 'answers'))
    from changed_rows a join old_rows o on o.id = a.id
    where a.stop_requested_at is not null and o.stop_requested_at is null;
  return null;
end $$;

create function realtime.on_staff_members() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform realtime.write(s.org_id, jsonb_build_object('staff_id', s.id), 'access.changed',
      concat_ws(':', 'staff', s.id, 'access')) from changed_rows s;
  return null;
end $$;

create function realtime.on_visitor_sessions() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform realtime.write(s.org_id, jsonb_build_object('visitor_id', s.visitor_id), 'access.changed',
      concat_ws(':', 'visitor', s.visitor_id, 'access'))
    from changed_rows s where tg_op = 'DELETE' or s.revoked_at is not null;
  return null;
end $$;

create function realtime.on_staff_sessions() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform realtime.write(m.org_id, jsonb_build_object('staff_id', m.id), 'access.changed',
      concat_ws(':', 'staff', m.id, 'access'))
    from changed_rows s join public.staff_members m on m.account_id = s.account_id
    where tg_op = 'DELETE' or s.revoked_at is not null;
  return null;
end $$;
grant select (account_id) on public.staff_members to chatbot_lookup;

create trigger signal_insert after insert on public.conversations
  referencing new table as changed_rows for each statement execute function realtime.on_conversations();
create trigger signal_update after update on public.conversations
  referencing new table as changed_rows old table as old_rows for each statement execute function realtime.on_conversations();
create trigger signal_delete after delete on public.conversations
  referencing old table as changed_rows for each statement execute function realtime.on_conversations();
create trigger signal_gone after delete on public.conversations
  referencing old table as changed_rows for each statement execute function realtime.on_conversations_gone();
create trigger signal_insert after insert on public.messages
  referencing new table as changed_rows for each statement execute function realtime.on_messages();
create trigger signal_update after update on public.messages
  referencing new table as changed_rows for each statement execute function realtime.on_messages();
create trigger signal_insert after insert on public.handoffs
  referencing new table as changed_rows for each statement execute function realtime.on_handoffs();
create trigger signal_update after update on public.handoffs
  referencing new table as changed_rows old table as old_rows for each statement execute function realtime.on_handoffs();
create trigger signal_insert after insert on public.documents
  referencing new table as changed_rows for each statement execute function realtime.on_documents();
create trigger signal_update after update on public.documents
  referencing new table as changed_rows for each statement execute function realtime.on_documents();
create trigger signal_delete after delete on public.documents
  referencing old table as changed_rows for each statement execute function realtime.on_documents();
create trigger signal_update after update on public.answers
  referencing new table as changed_rows old table as old_rows for each statement execute function realtime.on_answers();
create trigger signal_update after update on public.staff_members
  referencing new table as changed_rows for each statement execute function realtime.on_staff_members();
create trigger signal_delete after delete on public.staff_members
  referencing old table as changed_rows for each statement execute function realtime.on_staff_members();
create trigger signal_update after update on public.visitor_sessions
  referencing new table as changed_rows for each statement execute function realtime.on_visitor_sessions();
create trigger signal_delete after delete on public.visitor_sessions
  referencing old table as changed_rows for each statement execute function realtime.on_visitor_sessions();
create trigger signal_update after update on public.staff_sessions
  referencing new table as changed_rows for each statement execute function realtime.on_staff_sessions();
create trigger signal_delete after delete on public.staff_sessions
  referencing old table as changed_rows for each statement execute function realtime.on_staff_sessions();

-- ── Reading ──────────────────────────────────────────────────────────────────────────────────────────────────

-- Within a life every start of the server is an epoch: after a crash the last transaction ids, those whose WAL had not
-- reached the disk, are given out again, so a place from before the start cannot be trusted to the row.
create function realtime.epoch_of(life uuid) returns text language sql stable
  return left(md5(concat(life, extract(epoch from pg_postmaster_start_time()))), 12);

create function realtime.position()
returns table (life uuid, epoch text, started_at timestamptz, floor bigint, cur text)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select e.life, realtime.epoch_of(e.life), pg_postmaster_start_time(), e.floor::text::bigint, pg_current_snapshot()::text
  from realtime.epoch e
$$;

-- What became visible after the snapshot `seen` and not after `upto` (null: now), in order, from (after_xid, after_id) on.
-- One row without an id when there is nothing: `cur` is wanted all the same. Plans must not depend on statistics:
-- a partition of today is seldom analysed, hence no sequential scan.
create function realtime.read(seen text, upto text, after_xid text, after_id bigint, rows_max integer)
returns table (cur text, xid text, id bigint, org_id uuid, topic text, event text, payload jsonb, inserted_at timestamptz)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off as $$
#variable_conflict use_column
declare
  before pg_snapshot := seen;
  until pg_snapshot := coalesce(upto::pg_snapshot, pg_current_snapshot());
begin
  return query
    select until::text, m.xid::text, m.id, m.org_id, m.topic, m.event, m.payload, m.inserted_at
    from (select 1) one left join lateral (
      select * from realtime.messages n where n.xid >= pg_snapshot_xmax(before)
      union all
      select * from realtime.messages n where n.xid = any (array(select pg_snapshot_xip(before)))) m
      on pg_visible_in_snapshot(m.xid, until) and (m.xid, m.id) > (after_xid::xid8, after_id)
    order by m.xid, m.id limit rows_max;
end $$;

-- The same for one client's topics in the organisation of the transaction. More than rows_max rows, another epoch, a
-- cursor that is malformed, ahead of now or older than what is kept: one row with reset = true, never part of the truth.
create function realtime.missed(topics text[], epoch text, seen text, rows_max integer)
returns table (reset boolean, id bigint, topic text, event text, payload jsonb, inserted_at timestamptz)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off as $$
#variable_conflict use_column
declare
  before pg_snapshot;
  own uuid := nullif(current_setting('app.org', true), '')::uuid;
  found_rows bigint;
begin
  begin
    before := seen;
  exception when invalid_text_representation then
    return query select true, null::bigint, null::text, null::text, null::jsonb, null::timestamptz;
    return;
  end;
  if not exists (select from realtime.epoch e
      where realtime.epoch_of(e.life) = missed.epoch and pg_snapshot_xmin(before) > e.floor)
    or pg_snapshot_xmax(before) > pg_snapshot_xmax(pg_current_snapshot()) then
    return query select true, null::bigint, null::text, null::text, null::jsonb, null::timestamptz;
    return;
  end if;
  return query
    select false, m.id, m.topic, m.event, m.payload, m.inserted_at from (
      select * from realtime.messages n where n.topic = any (topics) and n.xid >= pg_snapshot_xmax(before)
      union all
      select * from realtime.messages n where n.topic = any (topics)
        and n.xid = any (array(select pg_snapshot_xip(before)))) m
    where m.org_id = own order by m.xid, m.id limit rows_max + 1;
  get diagnostics found_rows = row_count;
  if found_rows > rows_max then
    return query select true, null::bigint, null::text, null::text, null::jsonb, null::timestamptz;
  end if;
end $$;

-- ── Upkeep ───────────────────────────────────────────────────────────────────────────────────────────────────
-- Owned by chatbot_owner. Days are days of UTC. A lock that is not free is left for the next call: upkeep must never
-- queue writers behind a long transaction.

create function realtime.make_partition(day date) returns void
language plpgsql set search_path = pg_catalog, pg_temp set timezone = 'UTC' set lock_timeout = '300ms' as $$
declare
  part text := 'messages_' || to_char(day, 'YYYYMMDD');
  whole text := 'realtime.' || quote_ident(part);
  starts timestamptz := day;
  ends timestamptz := day + 1;
begin
  if to_regclass(whole) is not null then return; end if;
  execute 'create table ' || whole || ' (like realtime.messages including defaults including constraints)';
  execute 'alter table ' || whole || ' enable row level security';
  execute 'lock table realtime.messages_default in access exclusive mode';
  execute 'with late as (delete from realtime.messages_default where inserted_at >= $1 and inserted_at < $2 returning *)
    insert into ' || whole || ' select * from late' using starts, ends;
  execute 'alter table realtime.messages attach partition ' || whole || ' for values from ('
    || quote_literal(starts) || ') to (' || quote_literal(ends) || ')';
end $$;

create function realtime.drop_partition(part text) returns void
language plpgsql set search_path = pg_catalog, pg_temp set lock_timeout = '300ms' as $$
declare newest xid8;
begin
  execute 'select max(xid) from realtime.' || quote_ident(part) into newest;
  execute 'drop table realtime.' || quote_ident(part);
  update realtime.epoch set floor = greatest(floor, coalesce(newest, floor));
end $$;

-- After a restore on another cluster, transaction ids start low again and old rows would look new: a new life begins.
create function realtime.renew_epoch() returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare part text;
begin
  for part in select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
      where i.inhparent = 'realtime.messages'::regclass and c.relname <> 'messages_sentinel' loop
    execute 'delete from realtime.' || quote_ident(part);
  end loop;
  update realtime.epoch set life = gen_random_uuid(), floor = '0';
end $$;

create function realtime.newest_xid() returns xid8
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare part text; newest xid8; found_xid xid8;
begin
  for part in select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
      where i.inhparent = 'realtime.messages'::regclass loop
    execute 'select max(xid) from realtime.' || quote_ident(part) into found_xid;
    newest := greatest(newest, found_xid);
  end loop;
  return greatest(newest, (select e.floor from realtime.epoch e));
end $$;

-- Partitions from yesterday to four days ahead; those that ended 72 hours ago are dropped. Returns what it could not do.
create function realtime.maintain() returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp set timezone = 'UTC' as $$
declare
  step integer; part text; left_over integer := 0;
begin
  if not pg_try_advisory_xact_lock(hashtextextended('realtime.maintain', 0)) then return 0; end if;
  if realtime.newest_xid() >= pg_snapshot_xmax(pg_current_snapshot()) then perform realtime.renew_epoch(); end if;
  for step in -1 .. 4 loop
    begin
      perform realtime.make_partition(current_date + step);
    exception when lock_not_available then left_over := left_over + 1;
    end;
  end loop;
  for part in select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
      where i.inhparent = 'realtime.messages'::regclass and c.relname ~ '^messages_[0-9]{8}$'
        and to_date(right(c.relname, 8), 'YYYYMMDD') + 1 <= now() - interval '72 hours' loop
    begin
      perform realtime.drop_partition(part);
    exception when lock_not_available then left_over := left_over + 1;
    end;
  end loop;
  return left_over;
end $$;
select realtime.maintain();

-- ── Hand over and grant ──────────────────────────────────────────────────────────────────────────────────────

alter function realtime.org_of(text) owner to chatbot_lookup;
alter function realtime.write(uuid, jsonb, text, text, boolean) owner to chatbot_lookup;
alter function realtime.send(jsonb, text, text, boolean) owner to chatbot_lookup;
alter function realtime.broadcast_changes(text, text, text, text, text, record, record) owner to chatbot_lookup;
alter function realtime.handoff_signal(jsonb, text) owner to chatbot_lookup;
alter function realtime.on_conversations() owner to chatbot_lookup;
alter function realtime.on_conversations_gone() owner to chatbot_lookup;
alter function realtime.on_messages() owner to chatbot_lookup;
alter function realtime.on_handoffs() owner to chatbot_lookup;
alter function realtime.on_documents() owner to chatbot_lookup;
alter function realtime.on_answers() owner to chatbot_lookup;
alter function realtime.on_staff_members() owner to chatbot_lookup;
alter function realtime.on_visitor_sessions() owner to chatbot_lookup;
alter function realtime.on_staff_sessions() owner to chatbot_lookup;
alter function realtime.position() owner to chatbot_lookup;
alter function realtime.read(text, text, text, bigint, integer) owner to chatbot_lookup;
alter function realtime.missed(text[], text, text, integer) owner to chatbot_lookup;
revoke create on schema realtime from chatbot_lookup;

revoke execute on all functions in schema realtime from public;
grant execute on function realtime.topic(), realtime.topic_id(text, text), realtime.actor(text), realtime.is_staff(),
  realtime.may_join(text[]), realtime.send(jsonb, text, text, boolean),
  realtime.broadcast_changes(text, text, text, text, text, record, record),
  realtime.position(), realtime.read(text, text, text, bigint, integer),
  realtime.missed(text[], text, text, integer), realtime.maintain() to chatbot_app;
grant execute on function realtime.quiet(), realtime.epoch_of(uuid) to chatbot_lookup;
