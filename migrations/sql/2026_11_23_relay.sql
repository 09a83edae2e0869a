-- What the relay asks, at a cost that does not grow with the signals of the day.
-- realtime.read stays for nodes of the release before, which run beside this one while a service is updated.

grant create on schema realtime to chatbot_lookup;  -- only while functions are handed over below

-- When it was written, not when its transaction began: how long signals take is measured from here.
alter table realtime.messages alter column inserted_at set default clock_timestamp();

-- What became visible after the snapshot `seen` and not after `upto` (null: now), in order, from (after_xid, after_id) on.
-- `cur` is the snapshot that was read at, `clock` the time here. One row without an id when there is nothing.
--
-- One lower bound for the index, and only one: of two (`xid >=` and a row comparison) Postgres may start at the weaker,
-- which once was the beginning of the day. Usually all open transactions are young, and one scan from the oldest of
-- them on sees the news of all; a second scan for what they wrote costs more than the few rows seen in vain, unless one
-- of them is old. Nothing is pruned by time: a transaction may be older than any bound. Plans must not depend on
-- statistics, for a partition of today is seldom analysed: hence no sequential scan.
create function realtime.news(seen text, upto text, after_xid text, after_id bigint, rows_max integer)
returns table (cur text, clock timestamptz, xid xid8, id bigint, org_id uuid, topic text, event text, payload jsonb,
  inserted_at timestamptz)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off as $$
#variable_conflict use_column
declare
  scanned_in_vain_max constant bigint := 100;
  before constant pg_snapshot := seen;
  until constant pg_snapshot := coalesce(upto::pg_snapshot, pg_current_snapshot());
  place constant text := until::text;
  moment constant timestamptz := clock_timestamp();
  after constant xid8 := after_xid;
  is_young constant boolean := pg_snapshot_xmax(before)::text::bigint - pg_snapshot_xmin(before)::text::bigint
    <= scanned_in_vain_max;
  low constant xid8 := greatest(after, case when is_young then pg_snapshot_xmin(before) else pg_snapshot_xmax(before) end);
  low_id constant bigint := case when low = after then after_id else -1 end;
begin
  if place = seen then
    null;  -- nobody wrote anything
  elsif is_young then
    return query
      select place, moment, n.xid, n.id, n.org_id, n.topic, n.event, n.payload, n.inserted_at from realtime.messages n
      where (n.xid, n.id) > (low, low_id)
        and pg_visible_in_snapshot(n.xid, until) and not pg_visible_in_snapshot(n.xid, before)
      order by n.xid, n.id limit rows_max;
  else
    return query
      select place, moment, m.xid, m.id, m.org_id, m.topic, m.event, m.payload, m.inserted_at from (
        (select * from realtime.messages n
          where (n.xid, n.id) > (low, low_id) and pg_visible_in_snapshot(n.xid, until)
          order by n.xid, n.id limit rows_max)
        union all
        (select * from realtime.messages n
          where n.xid = any (array(select pg_snapshot_xip(before))) and pg_visible_in_snapshot(n.xid, until)
            and (n.xid > after or n.xid = after and n.id > after_id)
          order by n.xid, n.id limit rows_max)) m
      order by m.xid, m.id limit rows_max;
  end if;
  if not found then
    return query select place, moment, null::xid8, null::bigint, null::uuid, null::text, null::text, null::jsonb,
      null::timestamptz;
  end if;
end $$;

create or replace function realtime.read(seen text, upto text, after_xid text, after_id bigint, rows_max integer)
returns table (cur text, xid text, id bigint, org_id uuid, topic text, event text, payload jsonb, inserted_at timestamptz)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select n.cur, n.xid::text, n.id, n.org_id, n.topic, n.event, n.payload, n.inserted_at
  from realtime.news(seen, upto, after_xid, after_id, rows_max) n
$$;

-- Of a payload what can become ids and a version. What is nested in it never leaves the house, and might be nested so
-- deep that no reader takes it.
create function realtime.named(payload jsonb) returns jsonb language sql immutable
  return (select coalesce(jsonb_object_agg(e.key, e.value), '{}') from jsonb_each(payload) e
    where jsonb_typeof(e.value) in ('string', 'number'));

-- What a client missed is either few or a reset: whether it is few is known before anything is sorted.
create or replace function realtime.missed(topics text[], epoch text, seen text, rows_max integer)
returns table (reset boolean, id bigint, topic text, event text, payload jsonb, inserted_at timestamptz)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
#variable_conflict use_column
declare
  before pg_snapshot;
  own constant uuid := nullif(current_setting('app.org', true), '')::uuid;
  found_rows bigint := rows_max + 1;
begin
  begin
    before := seen;
  exception when invalid_text_representation then
    return query select true, null::bigint, null::text, null::text, null::jsonb, null::timestamptz;
    return;
  end;
  if exists (select from realtime.epoch e
      where realtime.epoch_of(e.life) = missed.epoch and pg_snapshot_xmin(before) > e.floor)
    and pg_snapshot_xmax(before) <= pg_snapshot_xmax(pg_current_snapshot()) then
    return query
      select false, m.id, m.topic, m.event,
        case when m.payload @? '$.* ? (@.type() == "object" || @.type() == "array")'
          then realtime.named(m.payload) else m.payload end, m.inserted_at from (
        select * from realtime.messages n
          where n.topic = any (topics) and n.org_id = own and n.xid >= pg_snapshot_xmax(before)
        union all
        select * from realtime.messages n
          where n.topic = any (topics) and n.org_id = own and n.xid = any (array(select pg_snapshot_xip(before)))
        limit rows_max + 1) m
      order by m.xid, m.id;
    get diagnostics found_rows = row_count;
  end if;
  if found_rows > rows_max then
    return query select true, null::bigint, null::text, null::text, null::jsonb, null::timestamptz;
  end if;
end $$;

alter function realtime.news(text, text, text, bigint, integer) owner to chatbot_lookup;
revoke create on schema realtime from chatbot_lookup;
revoke execute on function realtime.news(text, text, text, bigint, integer), realtime.named(jsonb) from public;
grant execute on function realtime.named(jsonb) to chatbot_lookup;
grant execute on function realtime.news(text, text, text, bigint, integer) to chatbot_app;
