{% test is_digest(model, column_name) %}
{#- Empty, or 64 lower-case hexadecimal digits. -#}
select {{ column_name }}
from {{ model }}
where not regexp_full_match({{ column_name }}, '[0-9a-f]{64}')
{% endtest %}

{% test one_row_per(model, columns) %}
{#- No two rows agree in all of these columns; two empty values agree. -#}
select {{ columns | join(', ') }}
from {{ model }}
group by {{ columns | join(', ') }}
having count(*) > 1
{% endtest %}

{% test is_a_stage(model, column_name) %}
{#- Empty, or one of the nine stages. -#}
select {{ column_name }}
from {{ model }}
where {{ column_name }} not in ('{{ stages() | join("', '") }}')
{% endtest %}

{% test is_found_in(model, column_name, to, field) %}
{#- Empty, in the other table, or removed under retention. -#}
select {{ column_name }}
from {{ model }}
where {{ column_name }} not in (select {{ field }} from {{ to }})
    {%- if field == 'digest' %}
    and {{ column_name }} not in (
        select digest from {{ ref('stg_records') }} where is_removed
    )
    {%- endif %}
{% endtest %}
