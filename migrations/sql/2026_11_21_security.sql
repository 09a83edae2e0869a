-- Who may see which rows. Every tenant table: forced row-level security, one policy on `app.org`, so that
-- a query that forgot its WHERE finds nothing of another organisation, and none at all without a scope.
do $$
declare
  tenant text;
begin
  foreach tenant in array array[
    'sites', 'staff_members', 'visitors', 'visitor_sessions', 'conversations', 'messages', 'handoffs',
    'answers', 'documents', 'document_versions', 'document_files', 'passages', 'postings', 'embeddings',
    'knowledge_stats'
  ] loop
    execute format('alter table %I enable row level security', tenant);
    execute format('alter table %I force row level security', tenant);
    execute format(
      'create policy own_org on %I using (org_id = nullif(current_setting(''app.org'', true), '''')::uuid)'
      ' with check (org_id = nullif(current_setting(''app.org'', true), '''')::uuid)', tenant);
  end loop;
end
$$;

-- The organisation's own row is the tenant itself.
alter table orgs enable row level security;
alter table orgs force row level security;
create policy own_org on orgs
  using (id = nullif(current_setting('app.org', true), '')::uuid)
  with check (id = nullif(current_setting('app.org', true), '')::uuid);

-- Accounts belong to people, not to organisations: an account sees itself.
alter table accounts enable row level security;
alter table accounts force row level security;
create policy own_account on accounts
  using (id = nullif(current_setting('app.account', true), '')::uuid)
  with check (id = nullif(current_setting('app.account', true), '')::uuid);
alter table staff_sessions enable row level security;
alter table staff_sessions force row level security;
create policy own_account on staff_sessions
  using (account_id = nullif(current_setting('app.account', true), '')::uuid)
  with check (account_id = nullif(current_setting('app.account', true), '')::uuid);

grant select, insert, update, delete on
  orgs, sites, staff_members, visitors, visitor_sessions, conversations, messages, handoffs, answers,
  documents, document_versions, document_files, passages, postings, embeddings, knowledge_stats,
  accounts, staff_sessions
to chatbot_app;
grant select on alembic_version to chatbot_app;

-- Before the organisation is known: functions of `chatbot_lookup`, which return ids and nothing else.
-- The list of tables it may read is pinned by tests/test_schema.py.
create schema lookup;
grant usage on schema lookup to chatbot_app;
grant usage, create on schema lookup to chatbot_lookup;
grant select on
  orgs, sites, accounts, staff_members, answers, conversations, messages, handoffs
to chatbot_lookup;
create policy lookup on orgs for select to chatbot_lookup using (true);
create policy lookup on sites for select to chatbot_lookup using (true);
create policy lookup on accounts for select to chatbot_lookup using (true);
create policy lookup on staff_members for select to chatbot_lookup using (true);
create policy lookup on answers for select to chatbot_lookup using (true);
create policy lookup on conversations for select to chatbot_lookup using (true);
create policy lookup on messages for select to chatbot_lookup using (true);
create policy lookup on handoffs for select to chatbot_lookup using (true);

create function lookup.site_by_key(wanted text) returns table (org_id uuid, site_id uuid)
  language sql stable security definer set search_path = pg_catalog, public
  as $$ select org_id, id from public.sites where key = wanted $$;

create function lookup.account_by_email(wanted text) returns uuid
  language sql stable security definer set search_path = pg_catalog, public
  as $$ select id from public.accounts where lower(email) = lower(wanted) $$;

create function lookup.memberships(wanted uuid) returns table (org_id uuid, staff_id uuid)
  language sql stable security definer set search_path = pg_catalog, public
  as $$ select org_id, id from public.staff_members
        where account_id = wanted and disabled_at is null order by created_at $$;

create function lookup.org_by_slug(wanted text) returns uuid
  language sql stable security definer set search_path = pg_catalog, public
  as $$ select id from public.orgs where slug = wanted $$;

create function lookup.orgs_list() returns setof uuid
  language sql stable security definer set search_path = pg_catalog, public
  as $$ select id from public.orgs order by created_at $$;

create function lookup.stale_answers(older_than timestamptz)
  returns table (org_id uuid, answer_id uuid)
  language sql stable security definer set search_path = pg_catalog, public
  as $$ select org_id, id from public.answers
        where status = 'running' and heartbeat_at < older_than order by heartbeat_at limit 1000 $$;

-- Conversations in which a visitor's question was settled neither by a turn of the bot nor by a person.
-- `turns._answered_rev` says the same of one conversation.
create function lookup.open_questions(since timestamptz, before timestamptz)
  returns table (org_id uuid, conversation_id uuid)
  language sql stable security definer set search_path = pg_catalog, public
  as $$
    select c.org_id, c.id
    from public.conversations c
    where c.closed_at is null and c.last_message_at >= since and c.last_message_at < before
      and not exists (
        select from public.answers a
        where a.org_id = c.org_id and a.conversation_id = c.id and a.status = 'running')
      and not exists (
        select from public.handoffs h
        where h.org_id = c.org_id and h.conversation_id = c.id
          and h.ended_at is null and h.taken_at is not null)
      and exists (
        select from public.messages m
        where m.org_id = c.org_id and m.conversation_id = c.id and m.author_kind = 'visitor'
          and m.rev > coalesce((
            select max(a.question_rev) from public.answers a
            where a.org_id = c.org_id and a.conversation_id = c.id
              and not (a.status = 'interrupted' and a.partial_text = '')), 0)
          and m.created_at > coalesce((
            select max(h.ended_at) from public.handoffs h
            where h.org_id = c.org_id and h.conversation_id = c.id and h.taken_at is not null),
            '-infinity'))
    order by c.last_message_at limit 100
  $$;

do $$
declare
  each regprocedure;
begin
  for each in select oid from pg_proc where pronamespace = 'lookup'::regnamespace loop
    execute format('revoke execute on function %s from public', each);
    execute format('grant execute on function %s to chatbot_app', each);
    execute format('alter function %s owner to chatbot_lookup', each);
  end loop;
end
$$;
