{#- Reads the dataset's files into the schema raw before anything is built, or stops with one message. -#}
{% macro read_export() -%}
    {%- if execute and flags.WHICH in ['build', 'run', 'seed'] -%}
        {%- set arguments = tojson({
            'data_dir': var('data_dir'),
            'reporting_timezone': var('reporting_timezone'),
            'as_of_date': var('as_of_date') | string if var('as_of_date') else none,
            'dimension_attributes': dimension_attributes(),
        }) -%}
        {%- set error = run_query("select read_export('" ~ arguments | replace("'", "''") ~ "')").columns[0].values()[0] -%}
        {%- if error -%}
            {%- do exceptions.raise_compiler_error(error) -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}
