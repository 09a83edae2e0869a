-- Who may see the rows of the new tables, and which questions are open.
do $$
declare
  tenant text;
begin
  foreach tenant in array array[
    'personas', 'answer_models', 'allowances', 'spending', 'episodes', 'reviews', 'citations'
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

-- As `turns._answered_rev` says it of one conversation. Only what visitors said counts: feedback and
-- corrections give an older message a newer revision.
create or replace function lookup.open_questions(since timestamptz, before timestamptz)
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
          and m.seq > c.episode_seq and m.created_at >= since
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
