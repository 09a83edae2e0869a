-- Strict scope for the service itself, and a visitor's list that tells who answers.

-- The service sends for the organisation of its transaction, and without one for nobody.
create or replace function realtime.may_send(topic text, org uuid) returns boolean
language sql stable set search_path = pg_catalog, pg_temp as $$
  select case
    when split_part(topic, ':', 3) in ('access', 'answers') then false
    when pg_has_role(session_user, 'chatbot_owner', 'member') then true
    when pg_has_role(session_user, 'chatbot_app', 'member') then
      coalesce(nullif(current_setting('app.org', true), '')::uuid = org, false)
    else exists (
      select from realtime.programs p
        join pg_roles r on r.rolname = p.role and pg_has_role(session_user, r.oid, 'member')
        join realtime.kinds k on k.open or k.program = p.role
      where (p.org_id is null or p.org_id = org)
        and k.scope = split_part(topic, ':', 1) and k.feature = split_part(topic, ':', 3))
  end
$$;

-- Who answers is part of the visitor's list, also for a conversation that is not open there. The event is the list's own.
create or replace function realtime.handoff_signal(h jsonb, event text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  org uuid := h ->> 'org_id';
  talk uuid := h ->> 'conversation_id';
  ids jsonb := jsonb_build_object('conversation_id', talk);
  with_handoff jsonb := ids || jsonb_build_object('handoff_id', h -> 'id');
begin
  insert into realtime.messages (org_id, topic, event, payload)
    select org, told.topic, told.event, told.payload
      from public.conversations c, lateral (
        values
          (concat_ws(':', 'conversation', talk, 'messages'), handoff_signal.event, with_handoff),
          (concat_ws(':', 'org', org, 'inbox'), handoff_signal.event, with_handoff),
          (concat_ws(':', 'site', c.site_id, 'inbox'), handoff_signal.event, with_handoff),
          (concat_ws(':', 'visitor', c.visitor_id, 'conversations'), 'conversation.changed', ids)
      ) told (topic, event, payload)
      where c.org_id = org and c.id = talk
        and (c.site_id is not null or told.topic not like 'site:%')
        and (c.visitor_id is not null or told.topic not like 'visitor:%');
end $$;
grant select (visitor_id) on public.conversations to chatbot_lookup;
