-- Which colleagues have the console open, on which node and until when; an organisation is staffed while one row lasts.
-- `availability.changed` is signalled when it becomes so and when it ceases. A node that died leaves rows that run out;
-- any other node finds them by lookup.lapsed_attendance() and deletes them, which signals.

create table attendance (
  org_id uuid not null,
  staff_id uuid not null,
  node text not null,
  until timestamp with time zone not null,
  constraint pk_attendance primary key (org_id, staff_id, node),
  constraint fk_attendance_org_id_staff_id foreign key (org_id, staff_id)
    references staff_members (org_id, id) on delete cascade
);
create index ix_attendance_until on attendance (until);

alter table attendance enable row level security;
alter table attendance force row level security;
create policy own_org on attendance using (org_id = nullif(current_setting('app.org', true), '')::uuid)
  with check (org_id = nullif(current_setting('app.org', true), '')::uuid);
grant select, insert, update, delete on attendance to chatbot_app;

grant select on attendance to chatbot_lookup;
create policy lookup on attendance for select to chatbot_lookup using (true);

-- Organisations in which somebody's attendance ran out: their node gives no sign of life.
create function lookup.lapsed_attendance() returns setof uuid
  language sql stable security definer set search_path = pg_catalog, public
  as $$ select distinct org_id from public.attendance where until <= clock_timestamp() limit 1000 $$;
revoke execute on function lookup.lapsed_attendance() from public;
grant execute on function lookup.lapsed_attendance() to chatbot_app;
alter function lookup.lapsed_attendance() owner to chatbot_lookup;

-- Who else is there is asked under a lock of the organisation's, or else the last two to leave at the same moment would
-- each see the other, and nobody would be told. The usual renewal of a row that lasts asks nothing. Locks are taken in
-- one order, should anybody above row-level security remove rows of several organisations at once.
create function realtime.on_attendance() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  this_moment constant timestamptz := clock_timestamp();
  moved uuid[];
  org uuid;
  before boolean;
  after boolean;
begin
  if tg_op = 'INSERT' then
    moved := array(select distinct c.org_id from changed_rows c where c.until > this_moment order by 1);
  elsif tg_op = 'DELETE' then
    moved := array(select distinct c.org_id from changed_rows c order by 1);
  else
    moved := array(select distinct c.org_id
      from changed_rows c join old_rows o on (o.org_id, o.staff_id, o.node) = (c.org_id, c.staff_id, c.node)
      where (c.until > this_moment) is distinct from (o.until > this_moment) order by 1);
  end if;
  foreach org in array moved loop
    perform pg_advisory_xact_lock(hashtextextended('attendance:' || org, 0));
    after := exists (select from public.attendance a where a.org_id = org and a.until > this_moment);
    if tg_op = 'DELETE' then
      before := true;  -- or it ran out a moment ago, which nobody was told
    elsif tg_op = 'INSERT' then
      before := exists (select from public.attendance a where a.org_id = org and a.until > this_moment
        and not exists (select from changed_rows c where (c.org_id, c.staff_id, c.node) = (a.org_id, a.staff_id, a.node)));
    else
      -- An upsert is both: the rows that it inserted were not there before those that it revived.
      before := exists (select from old_rows o where o.org_id = org and o.until > this_moment)
        or exists (select from public.attendance a where a.org_id = org and a.until > this_moment
          and a.xmin <> pg_current_xact_id()::xid);
    end if;
    if before <> after then
      insert into realtime.messages (org_id, topic, event, payload, private) values (
        org, concat_ws(':', 'org', org, 'public'), 'availability.changed', jsonb_build_object('org_id', org), false);
    end if;
  end loop;
  return null;
end $$;

create trigger signal_insert after insert on attendance
  referencing new table as changed_rows for each statement execute function realtime.on_attendance();
create trigger signal_update after update on attendance
  referencing new table as changed_rows old table as old_rows for each statement execute function realtime.on_attendance();
create trigger signal_delete after delete on attendance
  referencing old table as changed_rows for each statement execute function realtime.on_attendance();

-- A new owner must be allowed to make it there, for this moment only.
grant create on schema realtime to chatbot_lookup;
alter function realtime.on_attendance() owner to chatbot_lookup;
revoke create on schema realtime from chatbot_lookup;
revoke execute on function realtime.on_attendance() from public;
