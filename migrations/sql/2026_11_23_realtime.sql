-- The real-time layer, second part: who may broadcast and announce, kinds of topics as rows, other programs, a switch
-- for each kind, triggers that signal only what a client shows. docs/channels.md says all of it in words.
--
-- What nodes read
--   realtime.catalogue() -> (scope, feature, listeners text[], present text[], broadcasters text[], registered, paused)
--     one row a kind. Ask it at start, after a lost connection or a gap, and whenever the relay reads a signal on
--     'service:00000000-0000-0000-0000-000000000000:kinds' (event kinds.changed, ids {scope, feature}, organisation
--     00000000-…). That signal is written in the transaction of pause, resume, register and forget; it is a hint, the
--     rows are the truth. It is never a topic with members: a relay that skips topics must not skip this one.
--     chatbot.realtime.topics.Catalogue is made from the rows (topics.Row).
--   realtime.may_join(topics text[]), may_broadcast(topics text[]), may_announce(topics text[]) -> (topic, allowed)
--     listening, sending to the other listeners, showing presence: each decided by its own policies.
-- What the owner of the database calls (members of chatbot_owner, nobody else)
--   realtime.pause(scope, feature), realtime.resume(scope, feature)
--   realtime.register(scope, feature, program, listeners, broadcasters, present, org_of), realtime.forget(scope, feature)
--   realtime.admit(program, org), realtime.expel(program)
-- What programs call
--   realtime.send, realtime.broadcast_changes, realtime.close_quiet(topic, event), realtime.access_changed(scope, id)
--
-- What chatbot_lookup may see beyond realtime.sql: realtime.kinds and realtime.programs, for realtime.org_of and send.

grant create on schema realtime to chatbot_lookup;  -- only while functions are handed over below

-- ── Kinds of topics, and programs ────────────────────────────────────────────────────────────────────────────────

create table realtime.programs (
  role name primary key,
  org_id uuid references public.orgs on delete cascade  -- null: of every organisation
);
comment on table realtime.programs is 'Roles of other programs that may send, written by realtime.admit.';

create table realtime.kinds (
  scope text not null check (scope ~ '^[a-z]{1,20}$'),
  feature text not null check (feature ~ '^[a-z]{1,20}$'),
  listeners text[] not null default '{}' check (listeners <@ '{visitor,staff}'),
  present text[] not null default '{}' check (present <@ listeners),
  broadcasters text[] not null default '{}' check (broadcasters <@ listeners),
  open boolean not null default false,                                   -- every admitted program may send on it
  program name references realtime.programs on delete cascade,           -- whose it is; null: the service's own
  org_of text,                                                           -- names a function from id to organisation
  primary key (scope, feature)
);
comment on table realtime.kinds is 'Every kind of topic; the service''s own rows say what chatbot/realtime/topics.py says.';
create index kinds_program on realtime.kinds (program);

insert into realtime.kinds (scope, feature, listeners, present, broadcasters, open) values
  ('visitor', 'conversations', '{visitor}', '{}', '{}', false),
  ('conversation', 'messages', '{visitor,staff}', '{visitor}', '{}', false),
  ('conversation', 'staff', '{staff}', '{staff}', '{staff}', false),
  ('org', 'inbox', '{staff}', '{staff}', '{staff}', false),
  ('site', 'inbox', '{staff}', '{staff}', '{}', false),
  ('org', 'knowledge', '{staff}', '{}', '{}', false),
  ('org', 'dashboard', '{staff}', '{}', '{staff}', true),
  ('site', 'dashboard', '{staff}', '{}', '{staff}', true),
  ('org', 'public', '{visitor,staff}', '{}', '{}', true),
  ('staff', 'notifications', '{staff}', '{}', '{}', true),
  ('conversation', 'answers', '{}', '{}', '{}', false),
  ('conversation', 'access', '{}', '{}', '{}', false),
  ('visitor', 'access', '{}', '{}', '{}', false),
  ('staff', 'access', '{}', '{}', '{}', false),
  ('service', 'kinds', '{}', '{}', '{}', false);

create table realtime.paused_kinds (
  scope text not null,
  feature text not null,
  paused_at timestamptz not null default now(),
  primary key (scope, feature),
  foreign key (scope, feature) references realtime.kinds on delete cascade
);
grant select on realtime.kinds, realtime.paused_kinds to chatbot_app;
grant select on realtime.kinds, realtime.programs to chatbot_lookup;

create function realtime.catalogue()
returns table (scope text, feature text, listeners text[], present text[], broadcasters text[],
  registered boolean, paused boolean)
language sql stable
begin atomic
  select k.scope, k.feature, k.listeners, k.present, k.broadcasters, k.program is not null, p.scope is not null
    from realtime.kinds k left join realtime.paused_kinds p on (p.scope, p.feature) = (k.scope, k.feature)
    order by k.scope, k.feature;
end;
comment on function realtime.catalogue() is 'Every kind of topic as nodes need it; read again after kinds.changed.';

-- The one signal of no organisation: heard by every node, by nobody outside.
create function realtime.kind_changed(scope text, feature text) returns void
language sql security definer set search_path = pg_catalog, pg_temp as $$
  insert into realtime.messages (org_id, topic, event, payload) values (
    '00000000-0000-0000-0000-000000000000', 'service:00000000-0000-0000-0000-000000000000:kinds', 'kinds.changed',
    jsonb_build_object('scope', scope, 'feature', feature))
$$;

-- ── A switch for each kind ───────────────────────────────────────────────────────────────────────────────────────

create function realtime.pause(scope text, feature text) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if not exists (select from realtime.kinds k
      where (k.scope, k.feature) = (pause.scope, pause.feature) and k.listeners <> '{}') then
    raise exception using errcode = 'no_data_found',
      message = format('realtime: nobody subscribes topics of kind %s:%s; see realtime.catalogue()', scope, feature);
  end if;
  insert into realtime.paused_kinds (scope, feature) values (pause.scope, pause.feature) on conflict do nothing;
  if not found then return false; end if;
  perform realtime.kind_changed(scope, feature);
  return true;
end $$;
comment on function realtime.pause(text, text) is
  'No node tells signals of this kind any more and its clients poll, until realtime.resume. False: it was paused.';

create function realtime.resume(scope text, feature text) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  delete from realtime.paused_kinds p where (p.scope, p.feature) = (resume.scope, resume.feature);
  if not found then return false; end if;
  perform realtime.kind_changed(scope, feature);
  return true;
end $$;
comment on function realtime.resume(text, text) is 'Ends realtime.pause: clients join again and catch up.';

-- ── Listening, broadcasting, announcing ──────────────────────────────────────────────────────────────────────────
-- A session asks for one of the three at a time, each in a setting of its own: a policy of one never answers for
-- another, whoever wrote it, and asking for two at once is asking for none.

create function realtime.broadcast_topic() returns text language sql stable
  return nullif(current_setting('realtime.broadcast_topic', true), '');
comment on function realtime.broadcast_topic() is 'The topic on which a session asks to broadcast.';

create function realtime.announce_topic() returns text language sql stable
  return nullif(current_setting('realtime.announce_topic', true), '');
comment on function realtime.announce_topic() is 'The topic on which a session asks to be shown as present.';

create function realtime.asked_topic() returns text language sql stable
  return case num_nonnulls(realtime.topic(), realtime.broadcast_topic(), realtime.announce_topic())
    when 1 then coalesce(realtime.topic(), realtime.broadcast_topic(), realtime.announce_topic()) end;
comment on function realtime.asked_topic() is 'The topic that a session asks about, whatever it wants there.';

create function realtime.broadcast_topic_id(scope text, feature text) returns uuid language sql stable
  return case when split_part(realtime.broadcast_topic(), ':', 1) = scope
      and split_part(realtime.broadcast_topic(), ':', 3) = feature
    then split_part(realtime.broadcast_topic(), ':', 2)::uuid end;
comment on function realtime.broadcast_topic_id(text, text) is
  'The id in realtime.broadcast_topic() when it is of this kind, else null.';

create function realtime.announce_topic_id(scope text, feature text) returns uuid language sql stable
  return case when split_part(realtime.announce_topic(), ':', 1) = scope
      and split_part(realtime.announce_topic(), ':', 3) = feature
    then split_part(realtime.announce_topic(), ':', 2)::uuid end;
comment on function realtime.announce_topic_id(text, text) is
  'The id in realtime.announce_topic() when it is of this kind, else null.';

-- Whose a topic is. For a scope of another program a function says it that only chatbot_owner can have made; when
-- that one fails, the topic is nobody's.
create function realtime.org_of_registered(scope text, id uuid, feature text) returns uuid
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  named text := (select k.org_of from realtime.kinds k
    where (k.scope, k.feature) = (org_of_registered.scope, org_of_registered.feature));
  org uuid;
begin
  if named is null then return null; end if;
  execute format('select %s($1)', named) into org using id;
  return org;
exception when others then
  raise warning 'realtime: % cannot tell whose a topic is: %', named, sqlerrm;
  return null;
end $$;

create or replace function realtime.org_of(topic text) returns uuid
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare named uuid;
begin
  if split_part(topic, ':', 2) !~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$' then return null; end if;
  named := split_part(topic, ':', 2)::uuid;
  case split_part(topic, ':', 1)
    when 'org' then return (select o.id from public.orgs o where o.id = named);
    when 'site' then return (select s.org_id from public.sites s where s.id = named);
    when 'visitor' then return (select v.org_id from public.visitors v where v.id = named);
    when 'staff' then return (select s.org_id from public.staff_members s where s.id = named);
    when 'conversation' then return (select c.org_id from public.conversations c where c.id = named);
    else return realtime.org_of_registered(split_part(topic, ':', 1), named, split_part(topic, ':', 3));
  end case;
end $$;

create function realtime.is_own(topic text) returns boolean
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  return coalesce(realtime.org_of(topic) = nullif(current_setting('app.org', true), '')::uuid, false);
end $$;
comment on function realtime.is_own(text) is 'Whether the topic is of the organisation of this transaction.';

-- Runs as the caller, as before; a plan that is kept costs a third.
create or replace function realtime.is_staff() returns boolean language plpgsql stable as $$
begin
  return exists (select from public.staff_members s where s.id = realtime.actor('staff') and s.disabled_at is null);
end $$;

-- Whatever the permissive policies say, also those of other programs: never a topic of another organisation or of
-- nothing, and of the log only the topic that the session asks to hear.
alter policy own_org on realtime.messages using (
  case when id = 0 then realtime.is_own(realtime.asked_topic())
    else org_id = nullif(current_setting('app.org', true), '')::uuid
      and topic = realtime.topic() and topic = realtime.asked_topic() end);

-- Which is why the others need not look for what a topic names: eighteen lookups would cost more than the one.
alter policy conversation_staff on realtime.messages using (
  realtime.topic_id('conversation', 'staff') is not null and realtime.is_staff());
alter policy visitor_conversations on realtime.messages using (
  realtime.topic_id('visitor', 'conversations') = realtime.actor('visitor'));
alter policy org_inbox on realtime.messages using (
  realtime.topic_id('org', 'inbox') is not null and realtime.is_staff());
alter policy org_dashboard on realtime.messages using (
  realtime.topic_id('org', 'dashboard') is not null and realtime.is_staff());
alter policy org_knowledge on realtime.messages using (
  realtime.topic_id('org', 'knowledge') is not null and realtime.is_staff());
alter policy org_public on realtime.messages using (
  realtime.topic_id('org', 'public') is not null
    and (realtime.is_staff() or exists (select from public.visitors v where v.id = realtime.actor('visitor'))));
alter policy site_inbox on realtime.messages using (
  realtime.topic_id('site', 'inbox') is not null and realtime.is_staff());
alter policy site_dashboard on realtime.messages using (
  realtime.topic_id('site', 'dashboard') is not null and realtime.is_staff());

create policy conversation_staff_broadcast on realtime.messages for select to chatbot_app using (
  realtime.broadcast_topic_id('conversation', 'staff') is not null and realtime.is_staff());
create policy org_inbox_broadcast on realtime.messages for select to chatbot_app using (
  realtime.broadcast_topic_id('org', 'inbox') is not null and realtime.is_staff());
create policy org_dashboard_broadcast on realtime.messages for select to chatbot_app using (
  realtime.broadcast_topic_id('org', 'dashboard') is not null and realtime.is_staff());
create policy site_dashboard_broadcast on realtime.messages for select to chatbot_app using (
  realtime.broadcast_topic_id('site', 'dashboard') is not null and realtime.is_staff());

create policy conversation_messages_announce on realtime.messages for select to chatbot_app using (
  exists (select from public.conversations c where c.id = realtime.announce_topic_id('conversation', 'messages')
    and c.visitor_id = realtime.actor('visitor')));
create policy conversation_staff_announce on realtime.messages for select to chatbot_app using (
  realtime.announce_topic_id('conversation', 'staff') is not null and realtime.is_staff());
create policy org_inbox_announce on realtime.messages for select to chatbot_app using (
  realtime.announce_topic_id('org', 'inbox') is not null and realtime.is_staff());
create policy site_inbox_announce on realtime.messages for select to chatbot_app using (
  realtime.announce_topic_id('site', 'inbox') is not null and realtime.is_staff());

-- Runs as the caller, so that every policy is asked; one round trip for all topics.
create function realtime.ask(wanted text, topics text[]) returns table (topic text, allowed boolean)
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare asked text;
begin
  if cardinality(topics) > 100 then
    raise exception using errcode = 'program_limit_exceeded', message = 'realtime: ask for at most 100 topics at once';
  end if;
  perform set_config('realtime.topic', '', true), set_config('realtime.broadcast_topic', '', true),
    set_config('realtime.announce_topic', '', true);
  foreach asked in array topics loop
    perform set_config(wanted, asked, true);
    topic := asked;
    allowed := exists (select from realtime.messages m where m.inserted_at = 'epoch' and m.id = 0);
    return next;
  end loop;
  perform set_config(wanted, '', true);
end $$;

create or replace function realtime.may_join(topics text[]) returns table (topic text, allowed boolean)
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  return query select * from realtime.ask('realtime.topic', topics);
end $$;

create function realtime.may_broadcast(topics text[]) returns table (topic text, allowed boolean)
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  return query select * from realtime.ask('realtime.broadcast_topic', topics);
end $$;

create function realtime.may_announce(topics text[]) returns table (topic text, allowed boolean)
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  return query select * from realtime.ask('realtime.announce_topic', topics);
end $$;

-- ── Other programs ───────────────────────────────────────────────────────────────────────────────────────────────

create function realtime.admit(program name, org uuid default null) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if to_regrole(quote_ident(program)) is null then
    raise exception using errcode = 'undefined_object', message = format('realtime: there is no role %I', program);
  end if;
  if pg_has_role(program, 'chatbot_app', 'member') or pg_has_role(program, 'chatbot_owner', 'member') then
    raise exception using errcode = 'invalid_parameter_value', message =
      format('realtime: %I has the rights of the service already; give the program a role of its own', program);
  end if;
  insert into realtime.programs (role, org_id) values (program, org) on conflict (role) do update set org_id = org;
  execute format('grant usage on schema realtime to %I', program);
  execute format('grant execute on function realtime.send(jsonb, text, text, boolean),
    realtime.broadcast_changes(text, text, text, text, text, record, record),
    realtime.close_quiet(text, text), realtime.access_changed(text, uuid) to %I', program);
end $$;
comment on function realtime.admit(name, uuid) is
  'Another program''s role may send from now on: of one organisation, or of all of them when org is null.';

create function realtime.forget(scope text, feature text) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  delete from realtime.kinds k
    where (k.scope, k.feature) = (forget.scope, forget.feature) and k.program is not null;
  if not found then return false; end if;
  perform realtime.kind_changed(scope, feature);
  return true;
end $$;
comment on function realtime.forget(text, text) is 'Ends realtime.register: nobody hears topics of this kind any more.';

create function realtime.expel(program name) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform realtime.forget(k.scope, k.feature) from realtime.kinds k where k.program = expel.program;
  delete from realtime.programs p where p.role = expel.program;
  if found and to_regrole(quote_ident(program)) is not null then
    execute format('revoke all on all functions in schema realtime from %I', program);
    execute format('revoke usage on schema realtime from %I', program);
  end if;
end $$;
comment on function realtime.expel(name) is 'Ends realtime.admit, and forgets the program''s kinds.';

-- The function that says whose an id is runs with the rights of the service, so nobody but the owner may have made it.
create function realtime.check_org_of(named regprocedure) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare found_function record;
begin
  select p.prosecdef, p.provolatile, p.prokind, p.prorettype, p.proretset, p.proargtypes::text as takes,
      coalesce(array_to_string(p.proconfig, ','), '') as settings, p.proowner::regrole::text as owner,
      format('%I.%I', n.nspname, p.proname) as name
    into found_function from pg_proc p join pg_namespace n on n.oid = p.pronamespace where p.oid = named;
  if not (found_function.prosecdef and found_function.provolatile in ('s', 'i') and found_function.prokind = 'f'
      and found_function.prorettype = 'uuid'::regtype and not found_function.proretset
      and found_function.takes = 'uuid'::regtype::oid::text and found_function.settings like '%search_path=%'
      and found_function.owner = 'chatbot_owner') then
    raise exception using errcode = 'invalid_parameter_value', message =
      format('realtime: %s cannot say whose an id is', named),
      hint = 'It takes a uuid, returns a uuid, is stable, security definer with a search_path, and owned by chatbot_owner.';
  end if;
  return found_function.name;
end $$;

-- A kind without its policy could never be joined; one whose policy does not name it would answer for others; one whose
-- policy reads what the service may not would fail every join of everybody.
create function realtime.check_policy(policy text, must_ask text) returns void
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  checked oid := (select p.oid from pg_policy p where p.polrelid = 'realtime.messages'::regclass and p.polname = policy
    and p.polpermissive and p.polcmd = 'r' and position(must_ask in pg_get_expr(p.polqual, p.polrelid)) > 0);
  closed text;
begin
  if checked is null then
    raise exception using errcode = 'invalid_parameter_value',
      message = format('realtime: first create the policy %I for select on realtime.messages that asks %s', policy, must_ask);
  end if;
  select coalesce(c.oid::regclass::text, f.oid::regprocedure::text) into closed
    from pg_depend d
      left join pg_class c on d.refclassid = 'pg_class'::regclass and c.oid = d.refobjid
      left join pg_proc f on d.refclassid = 'pg_proc'::regclass and f.oid = d.refobjid
    where d.classid = 'pg_policy'::regclass and d.objid = checked and not (
      has_schema_privilege('chatbot_app', coalesce(c.relnamespace, f.pronamespace), 'usage')
      and coalesce(has_any_column_privilege('chatbot_app', c.oid, 'select'),
        has_function_privilege('chatbot_app', f.oid, 'execute'))) limit 1;
  if found then
    raise exception using errcode = 'insufficient_privilege',
      message = format('realtime: the policy %I reads %s, which chatbot_app may not; first grant it', policy, closed);
  end if;
end $$;

create function realtime.register(scope text, feature text, program name, listeners text[],
  broadcasters text[] default '{}', present text[] default '{}', org_of regprocedure default null)
returns void language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  ours constant boolean := scope in ('org', 'site', 'visitor', 'staff', 'conversation');
  named constant text := format('(%L::text, %L::text)', scope, feature);
  refused text := case
    when scope is null or feature is null or listeners is null or broadcasters is null or present is null
      or program is null or listeners = '{}' then 'a kind has a scope, a feature, a program and listeners'
    when scope = 'service' or feature in ('access', 'answers', 'kinds', 'sentinel')
      then format('%s:%s is kept for the service', scope, feature)
    when exists (select from realtime.kinds k where k.scope = register.scope and k.feature = register.feature
      and k.program is distinct from register.program) then format('%s:%s is taken', scope, feature)
    when not exists (select from realtime.programs p where p.role = register.program)
      then format('first realtime.admit(%L)', program)
    when ours and org_of is not null then format('ids of %s are known; leave org_of out', scope)
    when not ours and org_of is null then format('name the function org_of that says whose a %s is', scope)
    when (select count(*) from realtime.kinds k where k.program is not null) >= 100 then 'there are 100 kinds already'
  end;
begin
  if refused is not null then
    raise exception using errcode = 'invalid_parameter_value', message = 'realtime: ' || refused;
  end if;
  perform realtime.check_policy(scope || '_' || feature, 'realtime.topic_id' || named);
  if broadcasters <> '{}' then
    perform realtime.check_policy(scope || '_' || feature || '_broadcast', 'realtime.broadcast_topic_id' || named);
  end if;
  if present <> '{}' then
    perform realtime.check_policy(scope || '_' || feature || '_announce', 'realtime.announce_topic_id' || named);
  end if;
  insert into realtime.kinds as k (scope, feature, program, listeners, broadcasters, present, org_of)
    values (register.scope, register.feature, register.program, register.listeners, register.broadcasters,
      register.present, case when not ours then realtime.check_org_of(register.org_of) end)
    on conflict on constraint kinds_pkey do update set listeners = excluded.listeners,
      broadcasters = excluded.broadcasters, present = excluded.present, org_of = excluded.org_of;
  if not ours then
    execute format('grant usage on schema %s to chatbot_lookup',
      (select p.pronamespace::regnamespace from pg_proc p where p.oid = register.org_of));
    execute format('grant execute on function %s to chatbot_lookup', register.org_of);
  end if;
  perform realtime.kind_changed(scope, feature);
end $$;
comment on function realtime.register(text, text, name, text[], text[], text[], regprocedure) is
  'A kind of topic of another program, which browsers may subscribe as its policy {scope}_{feature} says.';

-- Commands and lost rights are sent by triggers alone; another program's role on what is open, and on its own kinds.
-- Whoever logged in counts, not the function that is running.
create function realtime.may_send(topic text, org uuid) returns boolean
language sql stable set search_path = pg_catalog, pg_temp as $$
  select case
    when split_part(topic, ':', 3) in ('access', 'answers') then false
    when pg_has_role(session_user, 'chatbot_app', 'member') then true
    when pg_has_role(session_user, 'chatbot_owner', 'member') then true
    else exists (
      select from realtime.programs p
        join pg_roles r on r.rolname = p.role and pg_has_role(session_user, r.oid, 'member')
        join realtime.kinds k on k.open or k.program = p.role
      where (p.org_id is null or p.org_id = org)
        and k.scope = split_part(topic, ':', 1) and k.feature = split_part(topic, ':', 3))
  end
$$;

create or replace function realtime.send(payload jsonb, event text, topic text, private boolean default true)
returns void language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  org uuid := realtime.org_of(topic);
  own uuid := nullif(current_setting('app.org', true), '')::uuid;
begin
  if org is null or own <> org or not realtime.may_send(topic, org) then
    raise exception using errcode = 'no_data_found', message = 'realtime: no such topic: ' || coalesce(topic, 'null');
  end if;
  perform realtime.write(org, payload, event, topic, private);
end $$;

-- The service's own triggers say it themselves of its own kinds.
create function realtime.access_changed(scope text, id uuid) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  person text := concat_ws(':', scope, id, 'access');
  org uuid := realtime.org_of(person);
  own uuid := nullif(current_setting('app.org', true), '')::uuid;
begin
  if scope not in ('visitor', 'staff') or org is null or own <> org
    or not realtime.may_send(concat_ws(':', 'org', org, 'public'), org) then
    raise exception using errcode = 'no_data_found', message =
      format('realtime: no such visitor or staff: %s:%s', scope, id);
  end if;
  perform realtime.write(org, jsonb_build_object(scope || '_id', id), 'access.changed', person);
end $$;
comment on function realtime.access_changed(text, uuid) is
  'This visitor or colleague lost a right to a topic of another program: their sockets are asked again.';

create function realtime.close_quiet(topic text, event text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform set_config('realtime.quiet', 'off', true);
  perform realtime.send('{}', event, topic, split_part(topic, ':', 3) <> 'public');
end $$;
comment on function realtime.close_quiet(text, text) is
  'Ends `set local realtime.quiet = on`: one signal without ids, on which clients fetch the whole list again.';

-- ── What signals by itself ───────────────────────────────────────────────────────────────────────────────────────
-- Only what a client shows: an update that moves a lease, a sign of life or nothing at all tells nobody. One insert
-- for all rows and all topics of a statement, none of which is public. Lost rights and commands are never quiet.

create or replace function realtime.on_conversations() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if tg_op = 'UPDATE' then
    insert into realtime.messages (org_id, topic, event, payload)
      select o.org_id, concat_ws(':', 'conversation', o.id, 'access'), 'access.changed',
          jsonb_build_object('conversation_id', o.id, 'visitor_id', o.visitor_id)
        from changed_rows c join old_rows o on (o.org_id, o.id) = (c.org_id, c.id)
        where c.visitor_id is distinct from o.visitor_id;
    if realtime.quiet() then return null; end if;
    -- An internal note moves only `rev`: the visitor must not learn when staff write one.
    insert into realtime.messages (org_id, topic, event, payload)
      select c.org_id, told.topic, 'conversation.changed', jsonb_build_object('conversation_id', c.id, 'version', c.rev)
        from changed_rows c join old_rows o on (o.org_id, o.id) = (c.org_id, c.id), lateral (
          select concat_ws(':', 'org', c.org_id, 'inbox')
          union all select concat_ws(':', 'site', c.site_id, 'inbox') where c.site_id is not null
          union all select concat_ws(':', 'visitor', c.visitor_id, 'conversations') where c.visitor_id is not null
            and (c.visitor_id, c.closed_at, c.last_message_at)
              is distinct from (o.visitor_id, o.closed_at, o.last_message_at)) told (topic)
        where (c.rev, c.visitor_id, c.site_id, c.closed_at, c.closed_by_id, c.last_message_at, c.updated_at, c.episode)
          is distinct from
          (o.rev, o.visitor_id, o.site_id, o.closed_at, o.closed_by_id, o.last_message_at, o.updated_at, o.episode);
    return null;
  end if;
  if realtime.quiet() then return null; end if;
  insert into realtime.messages (org_id, topic, event, payload)
    select c.org_id, told.topic, 'conversation.changed', jsonb_build_object('conversation_id', c.id, 'version', c.rev)
      from changed_rows c, lateral (
        select concat_ws(':', 'org', c.org_id, 'inbox')
        union all select concat_ws(':', 'site', c.site_id, 'inbox') where c.site_id is not null
        union all select concat_ws(':', 'visitor', c.visitor_id, 'conversations') where c.visitor_id is not null
      ) told (topic);
  return null;
end $$;

create or replace function realtime.on_conversations_gone() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into realtime.messages (org_id, topic, event, payload)
    select c.org_id, concat_ws(':', 'conversation', c.id, 'access'), 'access.changed',
      jsonb_build_object('conversation_id', c.id) from changed_rows c;
  return null;
end $$;

create or replace function realtime.on_messages() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if realtime.quiet() then return null; end if;
  if tg_op = 'INSERT' then
    insert into realtime.messages (org_id, topic, event, payload)
      select m.org_id,
          concat_ws(':', 'conversation', m.conversation_id, case m.visibility when 'public' then 'messages' else 'staff' end),
          'message.changed',
          jsonb_build_object('conversation_id', m.conversation_id, 'message_id', m.id, 'version', m.rev)
        from changed_rows m;
    return null;
  end if;
  insert into realtime.messages (org_id, topic, event, payload)
    select m.org_id,
        concat_ws(':', 'conversation', m.conversation_id, case m.visibility when 'public' then 'messages' else 'staff' end),
        'message.changed',
        jsonb_build_object('conversation_id', m.conversation_id, 'message_id', m.id, 'version', m.rev)
      from changed_rows m join old_rows o on (o.org_id, o.id) = (m.org_id, m.id)
      where m is distinct from o;
  return null;
end $$;

create or replace function realtime.handoff_signal(h jsonb, event text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  org uuid := h ->> 'org_id';
  talk uuid := h ->> 'conversation_id';
begin
  insert into realtime.messages (org_id, topic, event, payload)
    select org, told.topic, handoff_signal.event, jsonb_build_object('conversation_id', talk, 'handoff_id', h -> 'id')
      from (
        select concat_ws(':', 'conversation', talk, 'messages')
        union all select concat_ws(':', 'org', org, 'inbox')
        union all select concat_ws(':', 'site', c.site_id, 'inbox') from public.conversations c
          where c.org_id = org and c.id = talk and c.site_id is not null) told (topic);
end $$;

create or replace function realtime.on_documents() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if realtime.quiet() then return null; end if;
  if tg_op <> 'UPDATE' then
    insert into realtime.messages (org_id, topic, event, payload)
      select d.org_id, concat_ws(':', 'org', d.org_id, 'knowledge'), 'document.changed',
        jsonb_build_object('document_id', d.id) from changed_rows d;
    return null;
  end if;
  insert into realtime.messages (org_id, topic, event, payload)
    select d.org_id, concat_ws(':', 'org', d.org_id, 'knowledge'), 'document.changed',
        jsonb_build_object('document_id', d.id)
      from changed_rows d join old_rows o on (o.org_id, o.id) = (d.org_id, d.id)
      where (d.kind, d.name, d.title, d.url, d.labels, d.media_type, d.size_bytes, d.status, d.error_code,
          d.error_message, d.progress, d.pages, d.passages, d.version, d.live_version)
        is distinct from (o.kind, o.name, o.title, o.url, o.labels, o.media_type, o.size_bytes, o.status, o.error_code,
          o.error_message, o.progress, o.pages, o.passages, o.version, o.live_version)
        -- A passage was reworded or hidden. While it is being read `updated_at` moves with every lease.
        or (d.status = 'ready' and o.status = 'ready' and d.updated_at is distinct from o.updated_at);
  return null;
end $$;

-- `updated_at` moves when pages of the crawl were counted, which are rows of another table.
create or replace function realtime.on_crawls() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if realtime.quiet() then return null; end if;
  if tg_op <> 'UPDATE' then
    insert into realtime.messages (org_id, topic, event, payload)
      select c.org_id, concat_ws(':', 'org', c.org_id, 'knowledge'), 'crawl.changed',
        jsonb_build_object('crawl_id', c.id) from changed_rows c;
    return null;
  end if;
  insert into realtime.messages (org_id, topic, event, payload)
    select c.org_id, concat_ws(':', 'org', c.org_id, 'knowledge'), 'crawl.changed', jsonb_build_object('crawl_id', c.id)
      from changed_rows c join old_rows o on (o.org_id, o.id) = (c.org_id, c.id)
      where (c.url, c.kind, c.depth, c.pages_max, c.delay_ms, c.schedule, c.labels, c.status, c.error_code,
          c.error_message, c.run, c.started_at, c.finished_at, c.next_at, c.updated_at)
        is distinct from (o.url, o.kind, o.depth, o.pages_max, o.delay_ms, o.schedule, o.labels, o.status, o.error_code,
          o.error_message, o.run, o.started_at, o.finished_at, o.next_at, o.updated_at);
  return null;
end $$;

create or replace function realtime.on_answers() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into realtime.messages (org_id, topic, event, payload)
    select a.org_id, concat_ws(':', 'conversation', a.conversation_id, 'answers'), 'answer.stop',
        jsonb_build_object('conversation_id', a.conversation_id, 'answer_id', a.id, 'version', a.attempt)
      from changed_rows a join old_rows o on (o.org_id, o.id) = (a.org_id, a.id)
      where a.stop_requested_at is not null and o.stop_requested_at is null;
  return null;
end $$;

create or replace function realtime.on_staff_members() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if tg_op = 'DELETE' then
    insert into realtime.messages (org_id, topic, event, payload)
      select s.org_id, concat_ws(':', 'staff', s.id, 'access'), 'access.changed', jsonb_build_object('staff_id', s.id)
        from changed_rows s;
    return null;
  end if;
  insert into realtime.messages (org_id, topic, event, payload)
    select s.org_id, concat_ws(':', 'staff', s.id, 'access'), 'access.changed', jsonb_build_object('staff_id', s.id)
      from changed_rows s join old_rows o on (o.org_id, o.id) = (s.org_id, s.id)
      where (s.account_id, s.name, s.role, s.disabled_at) is distinct from (o.account_id, o.name, o.role, o.disabled_at);
  return null;
end $$;

-- A session ends once; what becomes of it afterwards takes nobody's rights.
create or replace function realtime.on_visitor_sessions() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if tg_op = 'DELETE' then
    insert into realtime.messages (org_id, topic, event, payload)
      select s.org_id, concat_ws(':', 'visitor', s.visitor_id, 'access'), 'access.changed',
        jsonb_build_object('visitor_id', s.visitor_id) from changed_rows s where s.revoked_at is null;
    return null;
  end if;
  insert into realtime.messages (org_id, topic, event, payload)
    select s.org_id, concat_ws(':', 'visitor', s.visitor_id, 'access'), 'access.changed',
        jsonb_build_object('visitor_id', s.visitor_id)
      from changed_rows s join old_rows o on (o.org_id, o.id) = (s.org_id, s.id)
      where s.revoked_at is not null and o.revoked_at is null;
  return null;
end $$;

create or replace function realtime.on_staff_sessions() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if tg_op = 'DELETE' then
    insert into realtime.messages (org_id, topic, event, payload)
      select m.org_id, concat_ws(':', 'staff', m.id, 'access'), 'access.changed', jsonb_build_object('staff_id', m.id)
        from changed_rows s join public.staff_members m on m.account_id = s.account_id where s.revoked_at is null;
    return null;
  end if;
  insert into realtime.messages (org_id, topic, event, payload)
    select m.org_id, concat_ws(':', 'staff', m.id, 'access'), 'access.changed', jsonb_build_object('staff_id', m.id)
      from changed_rows s join old_rows o on (o.account_id, o.id) = (s.account_id, s.id)
        join public.staff_members m on m.account_id = s.account_id
      where s.revoked_at is not null and o.revoked_at is null;
  return null;
end $$;

do $$
declare
  watched text;
begin
  foreach watched in array array[
    'messages', 'documents', 'crawls', 'staff_members', 'visitor_sessions', 'staff_sessions'
  ] loop
    execute format('create or replace trigger signal_update after update on public.%1$I'
      ' referencing new table as changed_rows old table as old_rows'
      ' for each statement execute function realtime.on_%1$I()', watched);
  end loop;
end $$;

-- ── Where a relay stands ─────────────────────────────────────────────────────────────────────────────────────────
-- A life ends also when a standby is promoted or a backup is brought to a point in time: the transactions that were not
-- yet there are gone, and clients may show them. Each of both begins a timeline of its own. On a standby that still
-- follows this fails, so that no relay takes a place there: it tries again until the server is promoted.

create or replace function realtime.position()
returns table (life uuid, epoch text, started_at timestamptz, floor bigint, cur text)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare timeline text;
begin
  begin
    timeline := left(pg_walfile_name(pg_current_wal_lsn()), 8);
  exception when feature_not_supported then
    timeline := '';  -- a service that keeps its log elsewhere
  end;
  return query
    select md5(concat(e.life, timeline))::uuid, realtime.epoch_of(e.life), pg_postmaster_start_time(),
        e.floor::text::bigint, pg_current_snapshot()::text
      from realtime.epoch e;
end $$;

-- As before, but a busy database is not taken for a restored one.
create or replace function realtime.maintain() returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp set timezone = 'UTC' as $$
declare
  step integer; part text; left_over integer := 0; newest xid8;
begin
  if not pg_try_advisory_xact_lock(hashtextextended('realtime.maintain', 0)) then return 0; end if;
  newest := realtime.newest_xid();  -- before the snapshot: what others commit meanwhile lies behind one that is older
  if newest >= pg_snapshot_xmax(pg_current_snapshot()) then perform realtime.renew_epoch(); end if;
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

-- ── Hand over and grant ──────────────────────────────────────────────────────────────────────────────────────────

alter function realtime.kind_changed(text, text) owner to chatbot_lookup;
alter function realtime.org_of_registered(text, uuid, text) owner to chatbot_lookup;
alter function realtime.is_own(text) owner to chatbot_lookup;
alter function realtime.access_changed(text, uuid) owner to chatbot_lookup;
revoke create on schema realtime from chatbot_lookup;

revoke execute on all functions in schema realtime from public;
grant execute on function realtime.catalogue(), realtime.broadcast_topic(), realtime.announce_topic(),
  realtime.asked_topic(), realtime.broadcast_topic_id(text, text), realtime.announce_topic_id(text, text),
  realtime.is_own(text), realtime.ask(text, text[]), realtime.may_broadcast(text[]), realtime.may_announce(text[]),
  realtime.close_quiet(text, text), realtime.access_changed(text, uuid) to chatbot_app;
grant execute on function realtime.may_send(text, uuid) to chatbot_lookup;
